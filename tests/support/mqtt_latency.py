"""Measure the milliseconds from a decision to a subscriber: ``python -m tests.support.mqtt_latency``."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection

TOPIC = "kws/kitchen/detection"


def measure(count: int = 200) -> list[float]:
    """Return the milliseconds of each of ``count`` detections, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        broker.start()
        times = []
        with Subscriber(broker, TOPIC) as subscriber, running(broker) as service:
            service.session()
            for number in range(count):
                begun = time.monotonic()
                service.worker.put(detection("on"))
                times.append(1000 * (subscriber.wait(TOPIC, count=number + 1).at - begun))
                time.sleep(0.02)
        broker.stop()
    return times


if __name__ == "__main__":
    median, most, worst = np.percentile(measure(), [50, 95, 100])
    print(f"median {median:.2f} ms, 95 % within {most:.2f} ms, worst {worst:.2f} ms")
