"""A running MQTT publisher."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from kws.common.backoff import Backoff
from kws.pipeline.requests import Request
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.mqtt.session import Session
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.worker import Counts, PublisherWorker
from tests.support.broker import Broker
from tests.support.waiting import wait_until

KEYWORDS = ("on", "off")


class Running:
    """A publisher with its worker, and the requests that it received.

    Attributes:
        publisher, worker: the parts, for a test to use.
        commands: the requests, in order.
    """

    def __init__(self, options: MqttOptions, keywords: tuple[str, ...], **more: object) -> None:
        self.commands: SimpleQueue[Request] = SimpleQueue()
        self.publisher = MqttPublisher(
            options,
            keywords=keywords,
            model="commands",
            model_version="1",
            on_command=self.commands.put,
            backoff=Backoff(first=0.05, limit=0.2),
            **more,  # type: ignore[arg-type]
        )
        self.worker = PublisherWorker(self.publisher, max_age=options.max_age, queue=options.queue)

    def session(self) -> Session:
        """Wait for the connection and return it."""
        session = self.publisher._link.session(time.monotonic() + 10)
        assert session
        return session

    def wait_settled(self, total: int) -> Counts:
        """Wait until so many detections were published, dropped or left unconfirmed."""

        def settled() -> int:
            counts = self.worker.counts
            return counts.published + counts.dropped + counts.unconfirmed

        wait_until(lambda: settled() >= total, lambda: f"{total} settled detections in {self.worker.counts}")
        return self.worker.counts


@contextmanager
def running(
    broker: Broker,
    *,
    url: str | None = None,
    site: str = "kitchen",
    keywords: tuple[str, ...] = KEYWORDS,
    home_assistant: HomeAssistantOptions | None = None,
    hermes: HermesOptions | None = None,
    gated: bool = False,
    **more: object,
) -> Iterator[Running]:
    """Run a publisher while the block lasts."""
    options = MqttOptions(url=url or broker.url, site=site, **more)  # type: ignore[arg-type]
    service = Running(options, keywords, home_assistant=home_assistant, hermes_options=hermes, gated=gated)
    service.publisher.started(site)
    try:
        yield service
    finally:
        service.worker.close()
