"""``kws devices`` where there is no microphone."""

from __future__ import annotations

import json

import pytest

from kws.audio.portaudio import devices
from kws.cli import main


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_without_a_microphone_it_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    monkeypatch.setattr(devices, "list_devices", list)
    assert main(["devices", *options]) == 1
    out, err = capsys.readouterr()
    assert err == "kws: there is no microphone; plug one in, and check that this user may record (group audio)\n"
    assert json.loads(out or "[]") == []
    assert bool(out) == bool(options)
