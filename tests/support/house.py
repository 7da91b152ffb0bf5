"""``kws run`` as people start it: a process, with a sound server, a broker, and a voice that says "on"."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.support import ROOT
from tests.support.broker import Broker, Heard, Subscriber
from tests.support.sound_server import SoundServer
from tests.support.waiting import wait_until

KWS = (sys.executable, "-m", "kws")


def say_on(path: Path, times: int) -> Path:
    """Write a recording that says "on" once a second."""
    rate = 16000
    demo, _ = soundfile.read(ROOT / "kws" / "data" / "demo.flac", dtype="float32", stop=4 * rate)
    rest = 1e-3 * np.random.default_rng(1).standard_normal(rate // 5).astype(np.float32)
    word = np.concatenate((demo[round(2.9 * rate) : round(3.7 * rate)], rest))
    soundfile.write(path, np.tile(word, times), rate)
    return path


class House:
    """A service, and everything that it depends on.

    Attributes:
        config: the file of its configuration, with MQTT and the model added.
        sound: its sound server.
        subscriber: receives everything at its broker.
    """

    def __init__(
        self, folder: Path, sound: SoundServer, broker: Broker, subscriber: Subscriber, config: str, *, model: Path
    ) -> None:
        self.config = folder / "service.toml"
        self.sound = sound
        self.subscriber = subscriber
        self._speech = say_on(folder / "on.wav", 60)
        self._broker = broker
        self._model = model
        self._players: list[subprocess.Popen[str]] = []
        self.configure(config)
        self.program = sound.run(*KWS, "run", "--config", self.config)

    def configure(self, config: str) -> None:
        self.config.write_text(f'{config}\n[mqtt]\nurl = "{self._broker.url}"\n[model]\nname = "{self._model}"\n')

    def reload(self) -> None:
        self.program.send_signal(signal.SIGHUP)

    def speak(self, server: SoundServer | None = None) -> None:
        """Say "on" once a second for a minute."""
        self._players.append((server or self.sound).play(self._speech))

    def hush(self) -> None:
        for player in self._players:
            player.terminate()
            player.wait()
        self._players.clear()

    def status(self, site: str = "kitchen") -> str | None:
        """Return the newest status."""
        heard = self.subscriber.on(f"kws/{site}/status")
        return heard[-1].payload if heard else None

    def wait_status(self, status: str, site: str = "kitchen") -> float:
        """Wait for this status; return its time on the monotonic clock."""
        self.wait(lambda: self.status(site) == status, f"{site} {status}")
        return self.subscriber.on(f"kws/{site}/status")[-1].at

    def trouble(self, site: str = "kitchen") -> str | None:
        """Return the trouble of the newest health."""
        trouble: str | None = self.health(site)["trouble"]
        return trouble

    def health(self, site: str = "kitchen") -> dict[str, Any]:
        return self.subscriber.on(f"kws/{site}/health")[-1].fields

    def next_word(self, after: float, site: str = "kitchen") -> Heard:
        """Wait for the first detection after a time on the monotonic clock, and return it."""
        topic = f"kws/{site}/detection"

        def later() -> list[Heard]:
            return [heard for heard in self.subscriber.on(topic) if heard.at > after]

        self.wait(lambda: bool(later()), f"a word in {site}")
        return later()[0]

    def wait(self, condition: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
        def met() -> bool:
            assert self.program.poll() is None, self.program.communicate()
            return condition()

        wait_until(met, lambda: f"{what} in {self.history()[-20:]}", timeout=seconds)

    def history(self) -> list[tuple[str, str]]:
        """Return statuses, troubles and detections, in order."""
        with_trouble = []
        for heard in self.subscriber.heard:
            if heard.topic.endswith("/health"):
                with_trouble.append((heard.topic, str(heard.fields["trouble"])))
            elif "/status" in heard.topic or "/detection" in heard.topic:
                with_trouble.append((heard.topic, heard.payload))
        return with_trouble

    def end(self) -> tuple[int, list[str], float]:
        """End it; return its exit code, its log and the seconds that it took."""
        self.hush()
        begun = time.monotonic()
        self.program.send_signal(signal.SIGTERM)
        _, log = self.program.communicate(timeout=60)
        return self.program.returncode, log.splitlines(), time.monotonic() - begun


def source(site: str = "kitchen", device: str = "room", **more: object) -> str:
    """Return a table of a configuration."""
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    return f'[[source]]\nsite = "{site}"\ndevice = "{device}"\n{settings}'
