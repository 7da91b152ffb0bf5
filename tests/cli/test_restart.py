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


#: What is set, by the end of its topic.
STATES = {"listening": "OFF", "threshold/on": "0.7", "keyword/off": "OFF"}


@pytest.fixture
def config(tmp_path: Path, stopped_broker: Broker, model_folder: Path) -> Path:
    config = tmp_path / "kws.toml"
    config.write_text(
        f'[source]\ninput = "-"\nrate = {RATE}\nsite = "kitchen"\n[mqtt]\nurl = "{stopped_broker.url}"\n'
        f'[model]\nname = "{model_folder}"\n[watch]\nstall = 60\n[decision]\nkeywords = ["on", "off"]\n'
    )
    return config


def test_what_was_set_over_mqtt_outlives_a_kill(config: Path, broker: Broker, subscriber: Subscriber) -> None:
    with running(config) as program:
        set_states(program, subscriber)
    check_states(config, subscriber)


@pytest.mark.parametrize("persistent", [True, False])
def test_it_outlives_a_power_cut_that_restarts_the_broker_too(
    config: Path, stopped_broker: Broker, persistent: bool
) -> None:
    """The same for a broker that keeps retained messages on the disk and for one that forgets them."""
    if persistent:
        disk = f"persistence_location {config.parent}/"
        stopped_broker.lines += ["persistence true", disk, "autosave_on_changes true", "autosave_interval 1"]
    stopped_broker.start()
    with Subscriber(stopped_broker) as subscriber, running(config) as program:
        set_states(program, subscriber)
        program.kill()
        stopped_broker.kill()
    stopped_broker.start()
    with Subscriber(stopped_broker) as subscriber:
        if persistent:
            assert subscriber.wait("kws/kitchen/state/listening", "OFF").retained
        check_states(config, subscriber)


def set_states(program: subprocess.Popen[bytes], subscriber: Subscriber) -> None:
    subscriber.wait("kws/kitchen/status", "online")
    for path, payload in STATES.items():
        subscriber.publish(f"kws/kitchen/set/{path}", payload)

    def obeyed() -> bool:
        hear(program, 0.05)  # requests are obeyed between two blocks of sound
        return all(states(subscriber, path)[-1:] == [payload] for path, payload in STATES.items())

    subscriber.wait_until(obeyed, "obedience")
    assert not states(subscriber, "keyword/yes")  # it is not listened for


def check_states(config: Path, subscriber: Subscriber) -> None:
    """A service that starts now publishes what was set, and nothing else."""
    seen = {path: len(states(subscriber, path)) for path in STATES}
    with running(config):
        for path, payload in STATES.items():
            subscriber.wait_until(lambda: len(states(subscriber, path)) > seen[path], path)  # noqa: B023 - called now
            assert set(states(subscriber, path)[seen[path] :]) == {payload}
        subscriber.wait("kws/kitchen/state/keyword/on", "ON")


def states(subscriber: Subscriber, path: str) -> list[str]:
    return [one.payload for one in subscriber.on(f"kws/kitchen/state/{path}") if not one.retained]
