from __future__ import annotations

import re
from pathlib import Path

import pytest

from kws.config import Config, ModelOptions, SourceOptions, find_config, read_config
from kws.decision import GateOptions, KeywordOptions
from kws.decision.settings import HOP
from kws.errors import UsageError
from kws.publishers import ExecOptions, LineOptions
from kws.publishers.mqtt import HermesOptions, HomeAssistantOptions, MqttOptions

EXAMPLE = Path(__file__).parent.parent / "docs" / "kws.example.toml"


def read(tmp_path: Path, toml: str) -> Config:
    path = tmp_path / "kws.toml"
    path.write_text(toml, encoding="utf-8")
    return read_config(path)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Config(path=tmp_path / "kws.toml")


def test_every_table_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [source]
        device = "USB"
        channel = 2
        [model]
        name = "mine"
        [decision]
        threshold = 0.9
        [keyword.on]
        patience = 2
        [gate]
        wake_words = ["computer"]
        [mqtt]
        url = "mqtts://broker"
        site = "kitchen"
        password_file = "secret"
        ca = "/etc/ca.pem"
        max_age = 2
        [home_assistant]
        form = "components"
        [hermes]
        enabled = true
        [stdout]
        format = "text"
        [exec]
        command = "a {keyword}"
        [exec.commands]
        on = ["b", "c"]
        """,
    )
    assert config.source == SourceOptions(device="USB", channel=2)
    assert config.model == ModelOptions(name="mine")
    assert config.decision.decision.threshold == 0.9
    assert config.decision.keyword == {"on": KeywordOptions(patience=2)}
    assert config.decision.gate == GateOptions(wake_words=("computer",))
    assert config.mqtt == MqttOptions(
        url="mqtts://broker", site="kitchen", password_file=str(tmp_path / "secret"), ca="/etc/ca.pem", max_age=2.0
    )
    assert config.home_assistant == HomeAssistantOptions(form="components")
    assert config.hermes == HermesOptions(enabled=True)
    assert config.stdout == LineOptions(format="text")
    assert config.exec == ExecOptions(command="a {keyword}", commands={"on": ("b", "c")})


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("[mqt]", "'mqt' is not a table; did you mean 'mqtt'? choose from source, model, mqtt, home_assistant,"),
        ("[mqtt]\nhost = 'x'", "mqtt: 'host' is not a setting; choose from url, site,"),
        ("[mqtt]\nurll = 'x'", "mqtt: 'urll' is not a setting; did you mean 'url'?"),
        ("[mqtt]\npassword = 'S3CRET'", "mqtt.password: has no place here; put it into a file of its own"),
        ("[mqtt]\nkeepalive = 'x'", "mqtt.keepalive: expected int, got str"),
        ("[mqtt]\nkeepalive = 1", "mqtt.keepalive: expected int >= 5"),
        ("[mqtt]\nmax_age = 0", "mqtt.max_age: expected float > 0.0"),
        ("[mqtt]\nprotocol = '4'", "mqtt.protocol: '4' is not one of '5', '3.1.1'"),
        ("[mqtt]\nprotocol = 5", "mqtt.protocol: expected str, got int"),
        ("[stdout]\nformat = 'xml'", "stdout.format: 'xml' is not one of 'json', 'text', 'tsv'"),
        ("[source]\nchannel = 0", "source.channel: expected int >= 1"),
        ("[exec]\ncommand = 1", "exec.command: expected str | array, got int"),
        ("[exec]\ncommands = {on = 1}", "exec.commands: expected str | array, got int"),
        ("mqtt = 1", "mqtt: must be a table"),
        ("[decision]\nthresold = 1", "decision: 'thresold' is not a setting; did you mean 'threshold'?"),
        ("[hermes]\nenabled = true", "hermes: goes by way of MQTT; a table mqtt is missing"),
        ("[mqtt", "Expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_path(tmp_path: Path, toml: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, toml)
    assert str(error.value).startswith(f"{tmp_path / 'kws.toml'}: {problem}")
    assert "\n" not in str(error.value)
    assert "S3CRET" not in str(error.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "kws.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="decode"):
        read_config(tmp_path / "kws.toml")


def test_the_named_file_goes_before_the_users_before_the_systems(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "kws" / "kws.toml"
    other = tmp_path / "xdg" / "kws" / "kws.toml"
    for path in (own, other):
        path.parent.mkdir(parents=True)
        path.touch()
    assert find_config("here.toml", {}) == Path("here.toml")
    assert find_config(None, {"HOME": str(tmp_path)}) == own
    assert find_config(None, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == other


def test_without_a_file_it_is_said_where_one_was_looked_for(tmp_path: Path) -> None:
    if Path("/etc/kws/kws.toml").exists():
        pytest.skip("this machine has one")
    with pytest.raises(UsageError) as error:
        find_config(None, {"HOME": str(tmp_path)})
    assert str(error.value) == (
        f"no configuration in {tmp_path}/.config/kws/kws.toml or /etc/kws/kws.toml; write one, or name it with --config"
    )


def uncommented(text: str, *, examples: bool) -> str:
    """The example with its settings in force: all, or those that are said to be the defaults."""
    lines = []
    in_example = False
    for line in text.splitlines():
        if line.lstrip("#").startswith("["):
            in_example = "# example" in line
        if examples or not (in_example or "# example" in line):
            lines.append(re.sub(r"^#(?=[a-z\[])", "", line))
    return "\n".join(lines)


def test_the_example_can_be_used_as_it_is() -> None:
    assert read_config(EXAMPLE) == Config(path=EXAMPLE, mqtt=MqttOptions())


def test_what_the_example_shows_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, uncommented(EXAMPLE.read_text(), examples=False))
    assert config.decision.decision.hop == HOP
    assert config == Config(path=config.path, mqtt=MqttOptions(), decision=config.decision)


def test_every_line_of_the_example_is_a_setting(tmp_path: Path) -> None:
    config = read(tmp_path, uncommented(EXAMPLE.read_text(), examples=True))
    assert config.mqtt
    assert config.mqtt.site == "kitchen"
    assert config.exec
    assert config.exec.commands == {"on": ("lamp", "--on"), "off": "lamp --off"}
    for table in (config.mqtt, config.home_assistant, config.hermes, config.exec, config.source, config.model):
        shown = [
            name for name in table.__struct_fields__ if re.search(rf"^#?{name} = ", EXAMPLE.read_text(), re.MULTILINE)
        ]
        missing = set(table.__struct_fields__) - set(shown)
        assert missing <= {"interpreter", "channels", "sample_format", "commands"}
