"""A microphone from end to end: what is played to a null sink is spotted as it is in the file."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.sound_server import SoundServer

KWS = (sys.executable, "-m", "kws")

pytestmark = pytest.mark.microphone


@contextmanager
def at_most(seconds: float, program: subprocess.Popen[str]) -> Iterator[None]:
    """End a program that does not say in time what is awaited of it."""
    timer = threading.Timer(seconds, program.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_for_line(program: subprocess.Popen[str], beginning: str) -> None:
    """Read the log up to a line; on a busy machine the network may be behind, which is logged too."""
    assert program.stderr is not None
    assert any(line.startswith(beginning) for line in iter(program.stderr.readline, ""))


@pytest.mark.parametrize("options", [["--device", "room"], ["--device", "studio", "--rate", "44100", "--channel", "2"]])
def test_the_same_keywords_as_in_the_file(
    sound_server: SoundServer, model_folder: Path, spoken: Path, detections: list[dict[str, Any]], options: list[str]
) -> None:
    program = sound_server.run(*KWS, "listen", "--model", model_folder, *options)
    assert program.stdout is not None
    assert program.stderr is not None
    assert program.stderr.readline().startswith(f"kws: listening to {options[1]}, ALSA for ")
    sound_server.play(spoken, sink=options[1])
    with at_most(30, program):
        found = [json.loads(program.stdout.readline() or "null") for _ in detections]
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=30)
    assert (program.returncode, out, err) == (130, "", "")
    assert [one["keyword"] for one in found] == [one["keyword"] for one in detections]
    # From word to word it takes as long as in the file; where the first is depends on when it was played.
    began = found[0]["end"] - detections[0]["end"]
    assert [one["end"] - began for one in found] == pytest.approx([one["end"] for one in detections], abs=0.16)


def test_a_muted_microphone_is_reported(sound_server: SoundServer, model_folder: Path) -> None:
    program = sound_server.run(*KWS, "listen", "--model", model_folder, "--device", "room")  # a sink without sound
    assert program.stderr is not None
    with at_most(30, program):
        assert program.stderr.readline().startswith("kws: listening to room, ALSA for ")
        assert program.stderr.readline() == (
            "kws: nothing is heard: room, ALSA delivers nothing but zeros; is it muted?\n"
        )
        sound_server.rustle()
        wait_for_line(program, "kws: listening to room, ALSA again, after ")
    program.send_signal(signal.SIGINT)
    out, _ = program.communicate(timeout=30)
    assert (program.returncode, out) == (130, "")


def test_channels_that_cancel_each_other_are_reported(
    sound_server: SoundServer, model_folder: Path, tmp_path: Path
) -> None:
    """Also behind a sound server, which would mix them itself if it were asked for one channel."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.001, (5 * 16000, 2)) + np.outer(rng.normal(0, 0.1, 5 * 16000), [1, -1])
    soundfile.write(tmp_path / "inverted.wav", noise, 16000)
    program = sound_server.run(*KWS, "listen", "--model", model_folder, "--device", "studio")
    assert program.stderr is not None
    with at_most(30, program):
        assert program.stderr.readline().startswith("kws: listening to studio, ALSA for ")
        sound_server.play(tmp_path / "inverted.wav", sink="studio")
        wait_for_line(program, "kws: studio, ALSA: its channels cancel each other, ")


def test_devices_by_the_names_that_listen_takes(sound_server: SoundServer) -> None:
    out, err = sound_server.run(*KWS, "devices", "--json").communicate(timeout=30)
    devices = {device["name"]: device for device in json.loads(out)}
    assert err == ""
    assert {"room, ALSA", "studio, ALSA", "default, ALSA"} <= devices.keys()
    assert set(devices["room, ALSA"]) == {"name", "system_name", "index", "channels", "rate", "is_default"}
    text, err = sound_server.run(*KWS, "devices").communicate(timeout=30)
    assert err == ""
    [default] = [line for line in text.splitlines() if line.startswith("*")]
    assert "  default, ALSA  (" in default
    assert len(text.splitlines()) == len(devices)


def test_an_unknown_name_lists_those_that_there_are(sound_server: SoundServer, model_folder: Path) -> None:
    program = sound_server.run(*KWS, "listen", "--device", "attic", "--model", model_folder)
    out, err = program.communicate(timeout=30)
    assert (program.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith('kws: no microphone is called "attic"; there are "')
    assert '"room, ALSA", "studio, ALSA"' in err


def test_a_microphone_that_goes_away(sound_server: SoundServer, model_folder: Path) -> None:
    program = sound_server.run(*KWS, "listen", "--device", "room", "--model", model_folder)
    assert program.stderr is not None
    assert program.stderr.readline().startswith("kws: listening to room, ALSA for ")
    sound_server.unplug()
    out, err = program.communicate(timeout=30)
    # PortAudio prints the calls that failed.
    said = [line for line in err.splitlines() if not line.startswith("Expression ")]
    assert (program.returncode, out) == (1, "")
    assert len(said) == 1
    assert said[0].startswith("kws: room, ALSA ")
    assert said[0].endswith("is it still plugged in?")
