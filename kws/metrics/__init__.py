"""Figures of the running service, for Prometheus."""

from kws.metrics.settings import MetricsOptions

__all__ = ["MetricsOptions"]
