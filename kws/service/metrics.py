"""Metrics for Prometheus: some are counted as things happen, others are read when Prometheus asks."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kws import __version__
from kws.config.schema import MetricsOptions
from kws.decision import NearMiss
from kws.errors import KwsError, UsageError
from kws.pipeline.pipeline import Scored
from kws.publishers.observer import Observer
from kws.publishers.worker import total
from kws.service.clips.recorder import ClipCounts
from kws.service.listener import Listener
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Upper bounds in seconds: a fast machine takes one or two milliseconds for a window; the default hop is 50.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

#: Counters of a source: name, help and the field of :class:`~kws.service.stream.Counters`.
_COUNTED = (
    ("kws_windows", "Windows of sound that were scored", "windows"),
    ("kws_overruns", "Times that the operating system lost sound", "overruns"),
    ("kws_gaps", "Places where sound is missing", "gaps"),
    ("kws_lost_samples", "Missing samples, at the rate of the source", "lost_samples"),
    ("kws_drops", "Times that the oldest sound was dropped because the network was behind", "drops"),
    ("kws_reconnects", "Times that the source was opened again after a failure", "reconnects"),
)


class MetricsObserver(Observer):
    """Counts the events of one service.

    Args:
        listeners: returns those of the service.
        clips: returns the counts of recordings; None while recording is off.

    Attributes:
        registry: for Prometheus.
    """

    def __init__(self, listeners: Callable[[], Sequence[Listener]], clips: Callable[[], ClipCounts | None]) -> None:
        self.registry = registry = CollectorRegistry()
        self._detections = Counter("kws_detections", "Detections", ("site", "keyword"), registry=registry)
        self._near_misses = Counter(
            "kws_near_misses", "Keywords that nearly fired", ("site", "keyword", "reason"), registry=registry
        )
        self._inference = Histogram(
            "kws_inference_seconds",
            "Time of the network for one window",
            ("site",),
            buckets=_BUCKETS,
            registry=registry,
        )
        ProcessCollector(registry=registry)
        registry.register(_Readings(listeners, clips))

    def scored(self, site: str, scored: Scored) -> None:
        if not scored.skipped:
            self._inference.labels(site).observe(scored.seconds)

    def detected(self, site: str, detection: Detection) -> None:
        self._detections.labels(site, detection.keyword).inc()

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:  # noqa: ARG002 - the interface
        self._near_misses.labels(site, miss.keyword, miss.reason.value).inc()


class _Readings(Collector):
    """Reads what the service counts by itself."""

    def __init__(self, listeners: Callable[[], Sequence[Listener]], clips: Callable[[], ClipCounts | None]) -> None:
        self._listeners = listeners
        self._clips = clips

    def collect(self) -> Iterator[Metric]:
        listeners = self._listeners()
        for name, text, field in _COUNTED:
            family = CounterMetricFamily(name, text, labels=("site",))
            for listener in listeners:
                family.add_metric((listener.place.site,), getattr(listener.counters, field))
            yield family
        yield from _states(listeners)
        yield from _publishers(listeners)
        if counts := self._clips():
            yield CounterMetricFamily("kws_clips_saved", "Recordings that were written", counts.saved)
            yield CounterMetricFamily("kws_clips_dropped", "Recordings that could not be written", counts.dropped)
            yield GaugeMetricFamily("kws_clips_bytes", "Size of all recordings", counts.bytes)


def _states(listeners: Sequence[Listener]) -> Iterator[Metric]:
    level = GaugeMetricFamily("kws_level_dbfs", "Of the newest sound, in decibels re full scale", labels=("site",))
    up = GaugeMetricFamily("kws_up", "1 while sound is scored, else 0", labels=("site",))
    wanted = GaugeMetricFamily("kws_listening", "1 while listening is switched on", labels=("site",))
    info = GaugeMetricFamily("kws_info", "The source and the model", labels=("site", "source", "model", "version"))
    connected = GaugeMetricFamily("kws_mqtt_connected", "1 while connected to the broker", labels=("site",))
    for listener in listeners:
        site, hearing = listener.place.site, listener.hearing
        if listener.counters.level is not None:
            level.add_metric((site,), listener.counters.level)
        up.add_metric((site,), float(hearing.wanted and hearing.trouble is None))
        wanted.add_metric((site,), float(hearing.wanted))
        info.add_metric((site, listener.source or "", listener.place.pipeline.model.name, __version__), 1)
        for worker in listener.place.workers:
            if (there := getattr(worker.publisher, "connected", None)) is not None:
                connected.add_metric((site,), float(there))
    yield from (level, up, wanted, info, connected)


def _publishers(listeners: Sequence[Listener]) -> Iterator[Metric]:
    families = (
        CounterMetricFamily("kws_published", "Detections that a publisher took", labels=("publisher",)),
        CounterMetricFamily("kws_dropped", "Detections that a publisher did not take", labels=("publisher",)),
        CounterMetricFamily("kws_unconfirmed", "Detections sent but not confirmed", labels=("publisher",)),
    )
    workers = {worker for listener in listeners for worker in listener.place.workers}  # some are shared
    for name in sorted({worker.name for worker in workers}):
        counts = total(worker for worker in workers if worker.name == name)
        for family, value in zip(families, (counts.published, counts.dropped, counts.unconfirmed), strict=True):
            family.add_metric((name,), value)
    yield from families


class Endpoint:
    """The web server of a registry, in a thread of its own, until it is closed.

    Raises:
        UsageError: the address is invalid.
        KwsError: the address or the port is not available.

    Attributes:
        options: as given.
        url: of the metrics.
    """

    def __init__(self, options: MetricsOptions, registry: CollectorRegistry) -> None:
        self.options = options
        try:
            server, self._thread = start_http_server(options.port, options.address, registry)
        except socket.gaierror:
            raise UsageError(f"metrics.address: {options.address!r} is not an address") from None
        except OSError as error:
            raise KwsError(f"metrics: {options.address} port {options.port}: {error.strerror}") from None
        self._server: Any = server
        self.url = options.url(server.server_port)
        _log.info("metrics are at %s", self.url)
        if not options.is_local:
            _log.warning("metrics can be read by everyone who reaches %s", options.address)

    def close(self, *, wait: bool = True) -> None:
        """End the server. Waiting for that takes up to half a second."""
        closer = threading.Thread(target=self._close, name="close metrics", daemon=True)
        closer.start()
        if wait:
            closer.join()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
