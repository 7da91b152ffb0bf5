"""Settings made over MQTT survive a restart."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kws.app.state import StateFile, state_file
from kws.decision import DecisionOptions, DecisionSettings, Options, resolve
from kws.pipeline.requests import SetKeyword, SetListening, SetThreshold

LABELS = ("_silence_", "_unknown_", "on", "off")


def settings(**options: object) -> DecisionSettings:
    return resolve(LABELS, {"": Options(decision=DecisionOptions(**options))})  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "state.json"


def set_everything(path: Path) -> None:
    state = StateFile(path)
    assert state.requests("kitchen", settings()) == ()
    for request in (SetListening(on=False), SetThreshold("on", 0.7), SetThreshold("on", 0.6), SetKeyword("off", False)):
        state.remember("kitchen", request)


def test_everything_is_set_again(path: Path) -> None:
    set_everything(path)
    requests = (SetListening(on=False), SetThreshold("on", 0.6), SetKeyword("off", on=False))
    assert StateFile(path).requests("kitchen", settings()) == requests
    assert StateFile(path).requests("hall", settings()) == ()
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_listening_is_what_was_set_last(path: Path) -> None:
    set_everything(path)
    state = StateFile(path)
    state.requests("kitchen", settings())
    state.remember("kitchen", SetListening(on=True))
    assert SetListening(on=False) not in StateFile(path).requests("kitchen", settings())


def test_a_configuration_that_was_changed_since_goes_first(path: Path) -> None:
    set_everything(path)
    state = StateFile(path)
    assert state.requests("kitchen", settings(threshold=0.5)) == (SetListening(on=False), SetKeyword("off", on=False))
    assert state.requests("kitchen", settings(keywords=("on",))) == (SetListening(on=False), SetThreshold("on", 0.6))


def test_a_keyword_of_another_model_is_left_out(path: Path) -> None:
    set_everything(path)
    other = resolve(("_silence_", "_unknown_", "stop"), {})
    state = StateFile(path)
    assert state.requests("kitchen", other) == (SetListening(on=False),)
    state.remember("kitchen", SetThreshold("on", 0.5))  # a request that was under way
    assert StateFile(path).requests("kitchen", settings())[1] == SetThreshold("on", 0.6)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"kitchen": {"listening": 3}}', b"\xff"])
def test_a_damaged_file_is_begun_anew(path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    state = StateFile(path)
    assert "what was set before is lost" in caplog.text
    assert state.requests("kitchen", settings()) == ()
    state.remember("kitchen", SetListening(on=False))
    assert StateFile(path).requests("kitchen", settings()) == (SetListening(on=False),)


def test_a_disk_that_fails_is_told_and_nothing_else_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    state = StateFile(tmp_path / "file" / "state.json")
    state.requests("kitchen", settings())
    state.remember("kitchen", SetListening(on=False))
    assert "what was set will be lost at a restart" in caplog.text
    assert state.requests("kitchen", settings()) == (SetListening(on=False),)


def test_a_write_that_is_interrupted_leaves_what_was_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_everything(path)
    before = path.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    state = StateFile(path)
    state.requests("kitchen", settings())
    state.remember("kitchen", SetListening(on=True))
    assert path.read_bytes() == before


def test_it_is_where_systemd_or_the_user_keeps_state(tmp_path: Path) -> None:
    for environment, folder in (
        ({"STATE_DIRECTORY": f"{tmp_path}/a:/elsewhere"}, tmp_path / "a"),
        ({"XDG_STATE_HOME": f"{tmp_path}/b"}, tmp_path / "b" / "kws"),
        ({"HOME": f"{tmp_path}/c"}, tmp_path / "c" / ".local" / "state" / "kws"),
    ):
        state = state_file(environment)
        state.requests("kitchen", settings())
        state.remember("kitchen", SetListening(on=False))
        assert (folder / "state.json").exists()


def test_services_of_other_sites_keep_their_state_in_the_same_file(path: Path) -> None:
    """Two services of one user: neither knows what the other one wrote since it started."""
    services = {site: StateFile(path) for site in ("kitchen", "hall")}
    for site, state in services.items():
        state.requests(site, settings())

    def mute(site: str) -> None:
        for on in (True, False) * 20:
            services[site].remember(site, SetListening(on=on))

    threads = [threading.Thread(target=mute, args=(site,)) for site in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for site in services:
        assert StateFile(path).requests(site, settings()) == (SetListening(on=False),)
