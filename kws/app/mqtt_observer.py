"""The state of one source, over MQTT."""

from __future__ import annotations

from kws.publishers.health import HealthReport
from kws.publishers.mqtt import MqttPublisher
from kws.service import Observer


class MqttObserver(Observer):
    """Publishes whether a source is available, whether it listens, its keywords and their thresholds, and its health.

    Attributes:
        publisher: of the source's site.
    """

    def __init__(self, publisher: MqttPublisher) -> None:
        self.publisher = publisher

    def started(self, site: str) -> None:  # noqa: ARG002 - the interface
        self.publisher.start()

    def available(self, site: str, *, available: bool) -> None:  # noqa: ARG002
        self.publisher.show_available(available=available)

    def listening(self, site: str, *, on: bool) -> None:  # noqa: ARG002
        self.publisher.show_listening(on=on)

    def threshold(self, site: str, keyword: str, threshold: float) -> None:  # noqa: ARG002
        self.publisher.show_threshold(keyword, threshold)

    def keyword(self, site: str, keyword: str, *, on: bool) -> None:  # noqa: ARG002
        self.publisher.show_keyword(keyword, on=on)

    def health(self, site: str, report: HealthReport) -> None:  # noqa: ARG002
        self.publisher.show_health(report)
