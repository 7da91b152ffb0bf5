"""Figures of the running service, for Prometheus."""

from kws.config.metrics import MetricsOptions

__all__ = ["MetricsOptions"]
