"""The figures, counted as things happen or read from the service when Prometheus asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from kws import __version__
from kws.service import Counters, Listener, Observer
from kws.service.clips.recorder import ClipCounts
from kws.types import Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss
    from kws.pipeline.pipeline import Scored

#: Bounds in seconds: a fast machine takes one or two milliseconds for a window, and 50 are the default hop.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

#: What is read from the counters of a source: name, what it says, and the field.
_COUNTED = (
    ("kws_windows", "Windows of sound that were decided upon", "windows"),
    ("kws_overruns", "Times that the system lost sound before it came here", "overruns"),
    ("kws_gaps", "Places where sound is missing", "gaps"),
    ("kws_lost_samples", "Samples that are missing there, at the source's rate", "lost_samples"),
    ("kws_drops", "Times that the oldest sound was dropped because the network was behind", "drops"),
    ("kws_reconnects", "Times that the source was opened again after it had failed", "reconnects"),
)


class MetricsObserver(Observer):
    """Keeps the figures of one service.

    Args:
        listeners: those of the service, whenever they are asked for.
        clips: what became of recordings; None while none are asked for.

    Attributes:
        registry: what Prometheus is shown.
    """

    def __init__(self, listeners: Callable[[], Sequence[Listener]], clips: Callable[[], ClipCounts | None]) -> None:
        self.registry = CollectorRegistry()
        self._detections = Counter(
            "kws_detections", "Keywords that were heard", ("site", "keyword"), registry=self.registry
        )
        self._near_misses = Counter(
            "kws_near_misses", "Keywords that were nearly heard", ("site", "keyword", "reason"), registry=self.registry
        )
        self._inference = Histogram(
            "kws_inference_seconds", "What the network took for a window", ("site",),
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        ProcessCollector(registry=self.registry)
        self.registry.register(_Readings(listeners, clips))

    def scored(self, site: str, scored: Scored) -> None:
        if not scored.skipped:
            self._inference.labels(site).observe(scored.seconds)

    def detected(self, site: str, detection: Detection) -> None:
        self._detections.labels(site, detection.keyword).inc()

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:  # noqa: ARG002 - the interface
        self._near_misses.labels(site, miss.keyword, miss.reason.value).inc()


class _Readings(Collector):
    """What the service counts by itself, read when somebody wants to know."""

    def __init__(self, listeners: Callable[[], Sequence[Listener]], clips: Callable[[], ClipCounts | None]) -> None:
        self._listeners = listeners
        self._clips = clips

    def collect(self) -> Iterator[Metric]:
        listeners = self._listeners()
        for name, text, field in _COUNTED:
            family = CounterMetricFamily(name, text, labels=("site",))
            for listener in listeners:
                family.add_metric((listener.setup.site,), getattr(listener.counters, field))
            yield family
        yield from _states(listeners)
        yield from _publishers(listeners)
        if counts := self._clips():
            yield CounterMetricFamily("kws_clips_saved", "Recordings that were written", counts.saved)
            yield CounterMetricFamily("kws_clips_dropped", "Recordings that could not be written", counts.dropped)
            yield GaugeMetricFamily("kws_clips_bytes", "What all recordings take up on the disk", counts.bytes)


def _states(listeners: Sequence[Listener]) -> Iterator[Metric]:
    level = GaugeMetricFamily("kws_level_dbfs", "Of the newest sound, in decibels re full scale", labels=("site",))
    up = GaugeMetricFamily("kws_up", "1 while sound is scored, 0 while deaf or switched off", labels=("site",))
    wanted = GaugeMetricFamily("kws_listening", "1 while listening is switched on", labels=("site",))
    info = GaugeMetricFamily("kws_info", "What is heard, and by what", labels=("site", "source", "model", "version"))
    for listener in listeners:
        site, hearing = listener.setup.site, listener.hearing
        counters: Counters = listener.counters
        if counters.level is not None:
            level.add_metric((site,), counters.level)
        up.add_metric((site,), float(hearing.wanted and hearing.trouble is None))
        wanted.add_metric((site,), float(hearing.wanted))
        info.add_metric((site, listener.source or "", listener.setup.pipeline.model.name, __version__), 1)
    yield from (level, up, wanted, info)


def _publishers(listeners: Sequence[Listener]) -> Iterator[Metric]:
    published = CounterMetricFamily("kws_published", "Detections handed over to a publisher", labels=("publisher",))
    dropped = CounterMetricFamily("kws_dropped", "Detections that a publisher did not take", labels=("publisher",))
    unconfirmed = CounterMetricFamily(
        "kws_unconfirmed", "Detections sent, of which nobody said that they arrived", labels=("publisher",)
    )
    connected = GaugeMetricFamily("kws_mqtt_connected", "1 while the broker is there", labels=("site",))
    workers = {
        worker: None for listener in listeners for worker in listener.setup.dispatcher.workers
    }  # some are shared
    totals: dict[str, tuple[int, int, int]] = {}
    for worker in workers:
        before, counts = totals.get(worker.publisher.name, (0, 0, 0)), worker.counts
        totals[worker.publisher.name] = (
            before[0] + counts.published, before[1] + counts.dropped, before[2] + counts.unconfirmed,
        )  # fmt: skip
    for name, values in totals.items():
        for family, value in zip((published, dropped, unconfirmed), values, strict=True):
            family.add_metric((name,), value)
    for listener in listeners:
        for worker in listener.setup.dispatcher.workers:
            if (there := getattr(worker.publisher, "connected", None)) is not None:
                connected.add_metric((listener.setup.site,), float(there))
    yield from (published, dropped, unconfirmed, connected)
