"""``kws config show``: what is in force, from where, and that it can be read back."""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kws.config.schema import WatchOptions
from tests.support import ROOT
from tests.support.program import environment, error, kws

#: Whose settings the tests know, whichever model is under test.
MODEL_FOLDER = ROOT / "models" / "commands"


def shown(*arguments: str | Path, **variables: str) -> dict[str, tuple[Any, str]]:
    """Value and origin of every setting."""
    result = kws("config", "show", "--json", *arguments, env=environment(**variables))
    assert (result.returncode, result.stderr) == (0, "")
    return {setting["key"]: (setting["value"], setting["origin"]) for setting in json.loads(result.stdout)}


@pytest.fixture
def write(tmp_path: Path) -> Path:
    """An empty configuration."""
    path = tmp_path / "kws.toml"
    path.write_text(f'[model]\nname = "{MODEL_FOLDER}"\n')
    return path


def add(path: Path, toml: str) -> None:
    path.write_text(f"{path.read_text()}{toml}\n")


def test_each_value_comes_from_somewhere(write: Path) -> None:
    add(
        write,
        '[mqtt]\nmax_age = 2\n[decision]\nthreshold = 0.7\n[keyword.on]\npatience = 3\n[gate]\nwake_words = ["on"]',
    )
    found = shown("--config", write, "--set", "watch.silence=0", "--device", "USB")
    file = str(write)
    assert found["model.name"] == (str(MODEL_FOLDER), file)
    assert found["mqtt.max_age"] == (2, file)
    assert found["mqtt.url"] == ("mqtt://localhost", "built-in")
    assert found["mqtt.user"] == (None, "built-in")
    assert found["mqtt.site"][1] == "name of this host"
    assert found["mqtt.site"][0].startswith(socket.gethostname()[:3])
    assert found["watch.silence"] == (0, "--set")
    assert found["watch.stall"] == (WatchOptions().stall, "built-in")
    assert found["source.device"] == ("USB", "--device")
    assert found["keyword.on.patience"] == (3, file)
    assert found["keyword.on.threshold"] == (0.7, f"{file}: decision.threshold")
    assert found["keyword.on.release"] == (pytest.approx(0.42), f"{file}: decision.threshold")
    assert found["keyword.off.patience"] == (1, "built-in")
    assert found["decision.hop"] == (0.12, "model.json")
    assert found["keyword.computer.length"] == (0.7, "model.json")
    assert found["gate.wake_words"] == (["on"], file)
    assert found["gate.seconds"] == (5, "built-in")
    assert not [key for key in found if key.startswith(("exec.", "clips.", "metrics.", "stdout."))]


def test_a_flag_for_a_decision_is_told_as_the_flag(write: Path) -> None:
    found = shown("--config", write, "--set", "decision.threshold=0.9", "--set", "keyword.on.patience=2")
    assert found["keyword.on.threshold"] == (0.9, "--set decision.threshold")
    assert found["keyword.on.patience"] == (2, "--set")


def test_of_several_sources_each_is_shown(write: Path) -> None:
    add(
        write,
        "[watch]\nstall = 3\n[mqtt]\n[[source]]\nsite = 'a'\n[source.home_assistant]\narea = 'A'\n"
        "[[source]]\nsite = 'b'\n[source.watch]\nsilence = 0\n[source.decision]\nthreshold = 0.9",
    )
    found = shown("--config", write, "--set", "source[2].device=USB")
    file = str(write)
    assert found["source[1].site"] == ("a", file)
    assert found["source[2].site"] == ("b", file)
    assert found["source[1].device"] == (None, "built-in")
    assert found["source[2].device"] == ("USB", "--set")
    assert found["source[1].home_assistant.area"] == ("A", file)
    assert found["source[1].watch.stall"] == found["source[2].watch.stall"] == (3, file)
    assert found["source[1].watch.silence"] == (WatchOptions().silence, "built-in")
    assert found["source[2].watch.silence"] == (0, file)
    assert found["source[1].keyword.on.threshold"] == (0.5, "model.json: decision.threshold")
    assert found["source[2].keyword.on.threshold"] == (0.9, f"{file}: source[2].decision.threshold")


COMMANDS = """
[mqtt]
max_age = 2
[exec]
command = ['a', '{keyword}']
[exec.commands]
on = "say \\"it\\" \\u007f ü"
"""

ONE = """
[source]
input = '-'
rate = 8000
[source.watch]
silence = 0
[source.decision]
threshold = 0.61
[source.keyword.off]
threshold = 0.33
[source.gate]
wake_words = ['computer', 'jarvis']
extend = true
[stdout]
[log]
level = 'debug'
[metrics]
[clips]
"""

SEVERAL = """
[mqtt]
url = 'mqtts://x'
[home_assistant]
form = 'components'
[decision]
hop = 0.1
smoothing = 0.2
[[source]]
site = 'a'
[source.home_assistant]
area = 'A'
[[source]]
site = 'b'
device = 3
[source.keyword.on]
quiet_before = 0.3
[source.gate]
wake_words = ['computer']
"""


@pytest.mark.parametrize("world", ["", COMMANDS, ONE, SEVERAL])
def test_what_is_shown_can_be_read_back_and_says_the_same(write: Path, world: str) -> None:
    add(write, world)
    result = kws("config", "show", "--config", write)
    assert (result.returncode, result.stderr) == (0, "")
    again = write.with_name("again.toml")
    again.write_text(result.stdout)
    before, after = shown("--config", write), shown("--config", again)
    assert {key: value for key, (value, _) in after.items()} == {key: value for key, (value, _) in before.items()}


def test_every_line_tells_its_origin_and_common_settings_are_said_once(write: Path) -> None:
    add(write, "[keyword.on]\npatience = 3")
    result = kws("config", "show", "--config", write)
    lines = result.stdout.splitlines()
    assert lines[0] == f"# In force: {write}"
    assert all("  # " in line or line.endswith(": not set") for line in lines[1:] if line and line[0] != "[")
    patience = [line for line in lines if line.startswith("patience")]
    assert [line.split("  ")[0] for line in patience] == ["patience = 1", "patience = 3"]
    assert "[keyword.on]" in lines


def test_a_threshold_that_differs_is_said_for_its_keyword(write: Path) -> None:
    tables = tomllib.loads(kws("config", "show", "--config", write, "--set", "keyword.on.threshold=0.7").stdout)
    assert tables["decision"]["threshold"] == 0.5
    assert {word: table["threshold"] for word, table in tables["keyword"].items() if "threshold" in table} == {
        "on": 0.7
    }


@pytest.mark.parametrize("place", ["file", "credential", "variable"])
def test_a_secret_is_never_shown_but_where_it_comes_from_is(write: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "mqtt-password").write_text("S3CRET\n")
    add(write, "[mqtt]\n" + ("password_file = 'mqtt-password'\n" if place == "file" else ""))
    variables = {"KWS_MQTT_PASSWORD": "S3CRET"}
    if place != "variable":
        variables["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    origin = {
        "file": f"mqtt.password_file {tmp_path / 'mqtt-password'}",
        "credential": f"systemd's credential {tmp_path / 'mqtt-password'}",
        "variable": "$KWS_MQTT_PASSWORD",
    }[place]
    assert shown("--config", write, **variables)["mqtt.password"] == ("***", origin)
    for more in ((), ("--json",)):
        result = kws("config", "show", "--config", write, *more, env=environment(**variables))
        assert "S3CRET" not in result.stdout + result.stderr
        assert origin in result.stdout


def test_a_password_in_a_url_is_refused_and_not_repeated(write: Path) -> None:
    add(write, "[mqtt]\nurl = 'mqtt://me:S3CRET@home'")
    message = error(kws("config", "show", "--config", write), 2)
    assert message.startswith(f"{write}: mqtt.url: takes no password; ")
    assert "S3CRET" not in message


def test_the_configuration_of_the_environment_is_found(write: Path) -> None:
    assert shown(KWS_CONFIG=str(write))["model.name"] == (str(MODEL_FOLDER), str(write))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--set", "mqtt.keepalive=1"], "--set: mqtt.keepalive: must be a whole number from 5 to 3600, not 1"),
        (
            ["--set", "keyword.onn.patience=1"],
            "--set: keyword: 'onn' is not a keyword of this model; did",
        ),
        (["--set", "decision.release=0.99"], "--set: decision.release: 0.99 is not above 0 and at most the threshold"),
        (["--site", "a/b"], '--site: must be 1 to 64 letters, digits, - or _ (A to Z), not "a/b"'),
        (["--model", "none"], "none: no such model folder, and none of this name ships (commands, commands-small)"),
    ],
)
def test_what_is_wrong_is_one_line(write: Path, arguments: list[str], problem: str) -> None:
    result = kws("config", "show", "--config", write, *arguments)
    assert error(result, 2).startswith(problem.format(file=write))


def test_the_keywords_are_those_of_the_model(write: Path) -> None:
    labels = json.loads((MODEL_FOLDER / "model.json").read_text())["labels"]
    found = shown("--config", write)
    assert [key.split(".")[1] for key in found if key.endswith(".threshold")] == labels[2:]
