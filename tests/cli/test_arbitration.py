"""Two microphones of real services hear one word, and it is acted on once."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import soundfile

from kws.cli.listen import DEMO
from tests.support.broker import Broker, Subscriber
from tests.support.program import kws, start

pytestmark = pytest.mark.process

RATE = 16000


def configure(path: Path, broker: Broker, sources: str, model: Path) -> Path:
    """Write the configuration of a service whose commands leave a file beside it."""
    path.parent.mkdir()
    path.write_text(
        f'{sources}\n[model]\nname = "{model}"\n[watch]\nstall = 60\n[decision]\nkeywords = ["computer"]\n'
        f'[mqtt]\nurl = "{broker.url}"\narbitration = "hall"\narbitration_window = 3\n'
        f"[exec]\ncommand = 'touch {path.parent}/{{site}}-{{keyword}}'\n"
    )
    return path


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def source(site: str, sound: Path) -> str:
    return f'[[source]]\nsite = "{site}"\ninput = "{sound}"\nrate = {RATE}\n'


@contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a service, and end it as systemd does: what it has heard until then is acted on."""
    program = start("run", "--config", config)
    try:
        yield program
        program.terminate()
        program.communicate(timeout=60)
        assert program.returncode == 0
    finally:
        program.kill()
        program.communicate()


def hear(sound: IO[bytes], gain: float, *, seconds: tuple[float, float]) -> None:
    """Let a microphone hear a part of the demo, in which "computer" comes after one second."""
    begin, end = (round(each * RATE) for each in seconds)
    samples, _ = soundfile.read(DEMO, dtype="int16", start=begin, stop=end)
    sound.write((samples * gain).astype(np.int16).tobytes())
    sound.flush()


@pytest.mark.parametrize("services", [1, 2])
def test_the_louder_microphone_acts_and_the_other_says_so(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, model_folder: Path, services: int
) -> None:
    """Two services with a microphone each, or one with two."""
    sounds = {site: fifo(tmp_path / site) for site in ("kitchen", "door")}
    tables = [source(site, sound) for site, sound in sounds.items()]
    groups = ["\n".join(tables)] if services == 1 else tables
    with ExitStack() as stack:
        programs = []
        for number, group in enumerate(groups):
            config = configure(tmp_path / str(number) / "kws.toml", broker, group, model_folder)
            programs.append(stack.enter_context(running(config)))
        open_sounds = {site: stack.enter_context(sound.open("wb")) for site, sound in sounds.items()}
        gains = {"kitchen": 0.25, "door": 1.0}
        for site, sound in open_sounds.items():
            hear(sound, gains[site], seconds=(0, 0.9))
            subscriber.wait(f"kws/{site}/status", "online")
        for site, sound in open_sounds.items():
            hear(sound, gains[site], seconds=(0.9, 2.5))
        assert subscriber.wait("kws/door/detection").fields["keyword"] == "computer"
        log = programs[0].stderr
        assert log
        left = next(line for line in iter(log.readline, b"") if b"left to" in line)
        assert b"computer is left to door, which heard it at " in left
    assert not subscriber.on("kws/kitchen/detection")
    assert sorted(file.name for file in tmp_path.glob("*/*-computer")) == ["door-computer"]


def test_a_word_at_the_end_of_the_sound_is_not_lost(
    tmp_path: Path, broker: Broker, subscriber: Subscriber, model_folder: Path
) -> None:
    """The service waits until it is settled who takes it."""
    sound = fifo(tmp_path / "hall")
    config = configure(tmp_path / "a" / "kws.toml", broker, source("hall", sound), model_folder)
    with running(config) as program:
        with sound.open("wb") as heard:
            hear(heard, 1.0, seconds=(0, 0.9))
            subscriber.wait("kws/hall/status", "online")
            hear(heard, 1.0, seconds=(0.9, 2.5))
        program.wait(timeout=60)
    subscriber.wait("kws/hall/detection/computer")
    assert [one.fields["taken"] for one in subscriber.on("kws/hall/claim")] == [False, True]


def test_check_warns_if_the_broker_refuses_the_claims(
    tmp_path: Path, stopped_broker: Broker, model_folder: Path
) -> None:
    (tmp_path / "rights").write_text("topic readwrite kws/kitchen/#\ntopic read kws/hall/claim\n")
    stopped_broker.lines.append(f"acl_file {tmp_path / 'rights'}")
    stopped_broker.start()
    config = configure(tmp_path / "a" / "kws.toml", stopped_broker, "", model_folder)
    result = kws("check", "--config", config, "--set", f"source.input={DEMO}", "--json")
    assert result.returncode == 0
    warning = next(part["warning"] for part in json.loads(result.stdout) if part["part"] == "broker")
    assert warning == "mqtt.arbitration: the broker refuses kws/hall/claim: Not authorized"
