"""``kws enroll`` with a microphone: what is played to a null sink is recorded, and again where it is no good."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from tests.cli.test_enroll import SMALL, say
from tests.cli.test_enroll import pytestmark as voices_needed
from tests.cli.test_microphone import KWS, at_most
from tests.support.sound_server import SoundServer

pytestmark = [voices_needed, pytest.mark.microphone]


def test_a_word_is_learned_by_saying_it(sound_server: SoundServer, tmp_path: Path) -> None:
    good = say(tmp_path / "clips", "banana", 3)
    faint = tmp_path / "faint.wav"
    sound, rate = soundfile.read(good[0])
    soundfile.write(faint, 0.012 * sound, rate)
    out = tmp_path / "banana.json"
    program = sound_server.run(
        *KWS, "enroll", "banana", "--count", "3", "--device", "room", "--out", out, "--json", *SMALL
    )
    assert program.stderr is not None
    said = []
    with at_most(120, program):
        for clip in (good[0], faint, good[1], good[2]):
            while not (line := program.stderr.readline()).startswith("Say ") and line:
                said.append(line)
            said.append(line)
            sound_server.play(clip).wait()
        report, err = program.communicate()
    assert program.returncode == 0, err
    assert said[0] == 'Say "banana" (1 of 3) ...\n'
    assert said[1] == 'Say "banana" (2 of 3) ...\n'
    assert said[2].startswith("Once more, please: too quiet (-")
    assert said[3:] == ['Say "banana" (2 of 3) ...\n', 'Say "banana" (3 of 3) ...\n']
    assert "... heard 3 of 3, 0." in err
    assert json.loads(report)["recordings"] == 3
