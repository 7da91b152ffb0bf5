"""Settings of the command line override the file, as if they were written there."""

from __future__ import annotations

from pathlib import Path

import pytest

from kws.config.overrides import Override, parse_set
from kws.config.reading import read_config
from kws.config.schema import Config
from kws.decision import resolve
from kws.errors import UsageError
from kws.publishers.settings import ExecOptions
from kws.publishers.stdout import LineOptions

FILE = """\
[source]
device = "USB"
[mqtt]
url = "mqtt://home"
max_age = 3
[keyword.on]
threshold = 0.7
"""

SEVERAL = """\
[[source]]
device = "A"
[[source]]
device = "B"
"""


def read(tmp_path: Path, toml: str, *said: str) -> Config:
    path = tmp_path / "kws.toml"
    path.write_text(toml, encoding="utf-8")
    return read_config(path, [parse_set(text) for text in said])


def test_a_flag_goes_before_the_file_and_leaves_the_rest_of_a_table_alone(tmp_path: Path) -> None:
    config = read(tmp_path, FILE, "mqtt.max_age=1.5", "keyword.on.patience=2", "stdout.format=text")
    assert config.mqtt
    assert (config.mqtt.url, config.mqtt.max_age) == ("mqtt://home", 1.5)
    assert config.stdout == LineOptions(format="text")
    on = resolve(("on",), config.layers(config.sources[0])).keywords["on"]
    assert (on.threshold, on.patience) == (0.7, 2)
    assert config.provenance.flags == {
        "mqtt.max_age": "--set",
        "keyword.on.patience": "--set",
        "stdout.format": "--set",
    }


@pytest.mark.parametrize(
    ("said", "device"),
    [
        ("source.device=Built-in Audio", "Built-in Audio"),
        ('source.device="Built-in"', "Built-in"),
        ("source.device = 'x = y'", "x = y"),
        ("source[1].device=3", 3),
        ('source.device="3"', "3"),
        ("source.device=a\ninput = 'b'", "a\ninput = 'b'"),
        ("source.device=true", "true"),
    ],
)
def test_a_value_is_toml_or_else_the_text_itself(tmp_path: Path, said: str, device: str | int) -> None:
    assert read(tmp_path, FILE, said).sources[0].device == device


def test_text_that_looks_like_a_number_is_text_where_text_is_asked_for(tmp_path: Path) -> None:
    config = read(tmp_path, FILE, "mqtt.protocol=5", "mqtt.site=7", "exec.command=['a', '{keyword}']")
    assert config.mqtt
    assert (config.mqtt.protocol, config.mqtt.site) == ("5", "7")
    assert config.exec == ExecOptions(command=("a", "{keyword}"))


def test_the_last_of_two_counts(tmp_path: Path) -> None:
    assert read(tmp_path, "", "source.device=a", "source.device=b").sources[0].device == "b"


def test_of_several_sources_one_is_named_by_its_number(tmp_path: Path) -> None:
    config = read(tmp_path, SEVERAL, "source[2].device=C", "source[2].watch.silence=0")
    assert [source.device for source in config.sources] == ["A", "C"]
    assert [source.watch.silence for source in config.sources] == [10, 0]
    assert config.provenance.flags == {"source[2].device": "--set", "source[2].watch.silence": "--set"}


@pytest.mark.parametrize(
    ("toml", "said", "problem"),
    [
        (FILE, "mqtt.keepalive=x", '--set: mqtt.keepalive: must be a whole number from 5 to 3600, not "x"'),
        (FILE, "mqtt.keepalive=1", "--set: mqtt.keepalive: must be a whole number from 5 to 3600, not 1"),
        (FILE, "mqtt.urll=x", "--set: mqtt: 'urll' is not a setting; did you mean 'url'?"),
        (FILE, "mqqt.url=x", "--set: 'mqqt' is not a table; did you mean 'mqtt'?"),
        (FILE, "mqtt.url.x=x", '--set: mqtt.url: must be text, not {"x": "x"}'),
        (FILE, "mqtt.password=S3CRET", "--set: mqtt.password: has no place here"),
        (FILE, "decision.threshold=2", "--set: decision.threshold: 2 is not within 0.01 to 1"),
        (FILE, "source[2].device=x", "--set: source[2].device: there is 1 source, counted from 1"),
        (SEVERAL, "source[0].device=x", "--set: source[0].device: there are 2 sources, counted from 1"),
        (SEVERAL, "source.device=x", "--set: source.device: there are 2 sources; write source[1].device"),
        (SEVERAL, "source[2].devise=x", "--set: source[2]: 'devise' is not a setting; did you mean 'device'?"),
        (FILE, "mqtt", "--set mqtt: write KEY=VALUE, such as"),
        (FILE, "mqtt=x", "--set mqtt=x: write KEY=VALUE, such as"),
        (FILE, ".url=x", "--set .url=x: write KEY=VALUE, such as"),
    ],
)
def test_what_is_wrong_names_the_flag(tmp_path: Path, toml: str, said: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, toml, said)
    assert str(error.value).startswith(problem)
    assert "\n" not in str(error.value)
    assert "S3CRET" not in str(error.value)


def test_paths_are_seen_from_where_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    config = read(
        tmp_path,
        '[source]\ninput = "sound"\n[mqtt]\nurl = "mqtts://x"\nca = "a"\ncertificate = "b"\n[clips]\nfolder = "c"\n',
        "mqtt.ca=a",
    )
    assert config.mqtt
    assert config.clips
    assert (config.mqtt.ca, config.mqtt.certificate) == (str(here / "a"), str(tmp_path / "b"))
    assert (config.clips.folder, config.sources[0].input) == (str(tmp_path / "c"), str(tmp_path / "sound"))


def test_a_model_is_one_beside_the_file_or_one_that_ships(tmp_path: Path) -> None:
    assert read(tmp_path, '[model]\nname = "mine"').model.name == "mine"
    (tmp_path / "mine").mkdir()
    assert read(tmp_path, '[model]\nname = "mine"').model.name == str(tmp_path / "mine")


def test_standard_input_is_no_path(tmp_path: Path) -> None:
    assert read(tmp_path, "", "source.input=-").sources[0].input == "-"


def test_an_option_of_its_own_is_named_by_itself(tmp_path: Path) -> None:
    (tmp_path / "kws.toml").write_text(FILE)
    said = Override(option="--site", key="source.site", value="a/b")
    with pytest.raises(UsageError, match=r"^--site: must be 1 to 64 letters"):
        read_config(tmp_path / "kws.toml", [said])
