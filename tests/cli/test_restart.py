"""``kws run`` after a power cut: what was set over MQTT is still set."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.broker import Broker, Subscriber

pytestmark = pytest.mark.process

RATE = 16000


def sound(seconds: float) -> bytes:
    noise = np.random.default_rng(1).integers(-20, 20, round(seconds * RATE), "<i2")
    return noise.tobytes()


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service that hears a second of a quiet room; it is killed in the end."""
    program = subprocess.Popen([sys.executable, "-m", "kws", "run", "--config", str(config)], stdin=subprocess.PIPE)
    try:
        hear(program, 1.5)
        yield program
    finally:
        program.kill()
        program.communicate()


def hear(program: subprocess.Popen[bytes], seconds: float) -> None:
    assert program.stdin
    program.stdin.write(sound(seconds))
    program.stdin.flush()


def test_what_was_set_over_mqtt_outlives_a_kill(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, model_folder: Path
) -> None:
    config = tmp_path / "kws.toml"
    config.write_text(
        f'[source]\ninput = "-"\nrate = {RATE}\nsite = "kitchen"\n[mqtt]\nurl = "{broker.url}"\n'
        f'[model]\nname = "{model_folder}"\n[watch]\nstall = 60\n[decision]\nkeywords = ["on", "off"]\n'
    )
    states = {"listening": "OFF", "threshold/on": "0.7", "keyword/off": "OFF"}
    with running(config) as program:
        subscriber.wait("kws/kitchen/status", "online")
        for path, payload in states.items():
            subscriber.publish(f"kws/kitchen/set/{path}", payload)
        subscriber.wait_until(lambda: obeyed(program, subscriber, states), "obedience")
    seen = {path: len(subscriber.on(f"kws/kitchen/state/{path}")) for path in states}
    assert not subscriber.on("kws/kitchen/state/keyword/yes")  # it is not listened for
    with running(config):
        for path, payload in states.items():
            subscriber.wait(f"kws/kitchen/state/{path}", count=seen[path] + 1)
            assert {one.payload for one in subscriber.on(f"kws/kitchen/state/{path}")[seen[path] :]} == {payload}
        subscriber.wait("kws/kitchen/state/keyword/on", "ON")


def obeyed(program: subprocess.Popen[bytes], subscriber: Subscriber, states: dict[str, str]) -> bool:
    """Requests are obeyed between two blocks of sound."""
    hear(program, 0.05)
    return all(
        one and one[-1].payload == payload
        for path, payload in states.items()
        for one in [subscriber.on(f"kws/kitchen/state/{path}")]
    )
