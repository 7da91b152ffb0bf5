from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path

import msgspec
import pytest

from kws.audio.pipe import SAMPLE_FORMATS
from kws.audio.samples import MAX_RATE, MIN_RATE
from kws.common.logs import LogOptions
from kws.config.overrides import parse_set
from kws.config.places import find_config
from kws.config.reading import read_config
from kws.config.schema import TABLES, ClipsOptions, Config, MetricsOptions, ModelOptions, SourceOptions, WatchOptions
from kws.decision import GateOptions, GateSettings, KeywordOptions, Options, resolve
from kws.decision.options import DecisionOptions
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.interpreter import INTERPRETERS
from kws.inference.model import Description
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.settings import ExecOptions
from kws.publishers.stdout import LineOptions
from kws.types import SILENCE, UNKNOWN

EXAMPLE = Path(__file__).parents[2] / "docs" / "kws.example.toml"


def read(tmp_path: Path, toml: str) -> Config:
    path = tmp_path / "kws.toml"
    path.write_text(toml, encoding="utf-8")
    return read_config(path)


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read(tmp_path, "") == Config()


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
        [watch]
        silence = 0
        [log]
        format = "json"
        [metrics]
        port = 0
        [clips]
        folder = "clips"
        """,
    )
    assert config.sources == (SourceOptions(device="USB", channel=2, watch=WatchOptions(silence=0)),)
    assert config.log == LogOptions(format="json")
    assert config.metrics == MetricsOptions(port=0)
    assert config.clips == ClipsOptions(folder=str(tmp_path / "clips"))
    assert config.model == ModelOptions(name="mine")
    assert config.decision.threshold == 0.9
    assert config.keyword == {"on": KeywordOptions(patience=2)}
    assert config.gate == GateOptions(wake_words=("computer",))
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
        ("[mqt]", "'mqt' is not a table; did you mean 'mqtt'? choose from decision, keyword, gate, source, "),
        ("[mqtt]\nhost = 'x'", "mqtt: 'host' is not a setting; choose from url, site,"),
        ("[mqtt]\nurll = 'x'", "mqtt: 'urll' is not a setting; did you mean 'url'?"),
        ("[mqtt]\npassword = 'S3CRET'", "mqtt.password: has no place here; put it into a file of its own"),
        ("[mqtt]\nkeepalive = 'x'", 'mqtt.keepalive: must be a whole number from 5 to 3600, not "x"'),
        ("[mqtt]\nkeepalive = 1", "mqtt.keepalive: must be a whole number from 5 to 3600, not 1"),
        ("[mqtt]\nmax_age = 0", "mqtt.max_age: must be a number above 0 and up to 3600, not 0"),
        ("[mqtt]\nprotocol = '4'", 'mqtt.protocol: must be one of "5", "3.1.1", not "4"'),
        ("[mqtt]\nprotocol = 5", 'mqtt.protocol: must be one of "5", "3.1.1", not 5; did you mean "5"?'),
        ("[stdout]\nformat = 'xml'", 'stdout.format: must be one of "json", "text", "tsv", not "xml"'),
        ("[source]\nchannel = 0", "source.channel: must be a whole number from 1 to 1024, not 0"),
        ("[exec]\ncommand = 1", "exec.command: must be text or a list of text, not 1"),
        ("[exec]\ncommands = {on = 1}", "exec.commands.on: must be text or a list of text, not 1"),
        ("mqtt = 1", "mqtt: must be a table"),
        ("source = 1", "source: must be a table"),
        ("device = 'USB'", "device: is a setting of the table source; write it under [source]"),
        ("site = 'hall'", "site: is a setting of the table source or mqtt or hermes; write it under [source]"),
        ("[exec.commands]\n'a\"b' = 1", 'exec.commands."a\\"b": must be text or a list of text, not 1'),
        ("source = []", "source: names no microphone; leave it out for the default one"),
        ("source = [1, 2]", "source[1]: must be a table"),
        ("[source]\nsite = 'a/b'", 'source.site: must be 1 to 64 letters, digits, - or _ (A to Z), not "a/b"'),
        ("[source]\nrate = 999", "source.rate: must be a whole number from 1000 to 768000, not 999"),
        ("[[source]]\n[[source]]\ndevise = 'x'", "source[2]: 'devise' is not a setting; did you mean 'device'?"),
        ("[source.decision]\nhops = 1", "source.decision: 'hops' is not a setting; did you mean 'hop'?"),
        ("[[source]]\n[[source]]\n[source.gate]\nextend = 1", "source[2].gate.extend: must be true or false, not 1"),
        ("[source.keyword.on]\nnear = 'x'", 'source.keyword.on.near: must be a number, not "x"'),
        ("[decision]\nthreshold = 2", "decision.threshold: 2 is not within 0.01 to 1"),
        ("[[source]]\n[[source]]\n[source.gate]\nseconds = 0", "source[2].gate.seconds: 0 is not within 0.1 to 3600"),
        ("[mqtt]\nurl = 'mqtt://me:S3CRET@home'", "mqtt.url: takes no password; write it to a file and name that in"),
        ("[source.watch]\nstall = 0", "source.watch.stall: must be a number from 0.5 to 60, not 0"),
        ("[watch]\nstall = 0", "watch.stall: must be a number from 0.5 to 60, not 0"),
        ("[mqtt]\n[[source]]\nsite = 'a'\n[[source]]", "source[2].site: is missing; each of several has topics"),
        (
            "[mqtt]\nsite = 'x'\n[[source]]\nsite = 'a'\n[[source]]\nsite = 'b'",
            "mqtt.site: cannot be the same for several microphones; write source.site in each",
        ),
        (
            "[mqtt]\n[home_assistant]\narea = 'x'\n[[source]]\nsite = 'a'\n[[source]]\nsite = 'b'",
            "home_assistant.area: cannot be the same for several microphones; write source.home_assistant in each",
        ),
        ("[[source]]\nsite = 'a'\n[[source]]\nsite = 'a'", "source[2].site: 'a' is that of source[1] already"),
        ("[[source]]\ninput = '-'\n[[source]]\ninput = '-'", "source[2].input: '-' is that of source[1] already"),
        ("[clips]\nquota = inf", "clips.quota: must be a number above 0 and up to 1000000, not Infinity"),
        ("[metrics]\nport = 65536", "metrics.port: must be a whole number from 0 to 65535, not 65536"),
        ("[log]\nlevel = 'warn'", 'log.level: must be one of "debug", "info", "warning", "error", not "warn"; did you'),
        ("[decision]\nthresold = 1", "decision: 'thresold' is not a setting; did you mean 'threshold'?"),
        ("[hermes]\nenabled = true", "hermes: goes by way of MQTT; a table mqtt is missing"),
        ("[source.home_assistant]\nname = 'x'", "source.home_assistant: goes by way of MQTT; a table mqtt is missing"),
        ("[source]\ninput = ''", 'source.input: must be text that is not empty, not ""'),
        ("[source]\ndevice = ''", 'source.device: must be text that is not empty or a whole number, not ""'),
        ("[model]\nname = ''", 'model.name: must be text that is not empty, not ""'),
        ("[clips]\nfolder = ''", 'clips.folder: must be text that is not empty, not ""'),
        ("[mqtt", "Expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_path(tmp_path: Path, toml: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, toml)
    assert str(error.value).startswith(f"{tmp_path / 'kws.toml'}: {problem}")
    assert "\n" not in str(error.value)
    assert "S3CRET" not in str(error.value)


def test_of_several_sources_each_has_its_own_over_what_the_file_says(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [decision]
        threshold = 0.7
        [watch]
        stall = 3
        silence = 9
        [mqtt]
        url = "mqtt://home"
        [home_assistant]
        form = "components"
        [[source]]
        site = "kitchen"
        [source.home_assistant]
        area = "Kitchen"
        [[source]]
        site = "hall"
        device = "USB"
        [source.watch]
        silence = 0
        [source.decision]
        threshold = 0.9
        [source.keyword.on]
        patience = 3
        [source.gate]
        wake_words = ["computer"]
        """,
    )
    kitchen, hall = config.sources
    assert (kitchen.site, kitchen.device, hall.site, hall.device) == ("kitchen", None, "hall", "USB")
    assert (kitchen.watch, hall.watch) == (WatchOptions(stall=3, silence=9), WatchOptions(stall=3, silence=0))
    assert [config.name(source) for source in config.sources] == ["source[1]", "source[2]"]
    labels = ("on", "computer")
    here, there = (resolve(labels, config.layers(source)) for source in config.sources)
    assert (here.keywords["on"].threshold, here.keywords["on"].patience, here.gate) == (0.7, 1, None)
    assert (there.keywords["on"].threshold, there.keywords["on"].patience) == (0.9, 3)
    assert there.gate == GateSettings(wake_words=("computer",))
    assert config.publishing(kitchen) == (
        MqttOptions(url="mqtt://home", site="kitchen"),
        HomeAssistantOptions(form="components", area="Kitchen"),
        HermesOptions(),
    )
    mqtt, home_assistant, _ = config.publishing(hall)
    assert mqtt == MqttOptions(url="mqtt://home", site="hall")
    assert home_assistant == HomeAssistantOptions(form="components")


def test_decision_settings_that_do_not_go_together_name_the_source_that_they_are_of(tmp_path: Path) -> None:
    config = read(tmp_path, "[[source]]\n[[source]]\n[source.decision]\nrelease = 0.9")
    with pytest.raises(UsageError) as error, config.errors():
        resolve(("on",), config.layers(config.sources[1]))
    place = f"{tmp_path / 'kws.toml'}: source[2].decision.release"
    assert str(error.value) == f"{place}: 0.9 is not above 0 and at most the threshold 0.8"


def test_a_keyword_is_the_same_as_a_mac_writes_it(tmp_path: Path) -> None:
    word, typed = "küche", unicodedata.normalize("NFD", "küche")
    assert word != typed
    toml = f'keyword."{typed}".threshold = 0.7\ngate.wake_words = ["{typed}"]\ndecision.keywords = ["{typed}"]\n'
    path = tmp_path / "kws.toml"
    path.write_text(f'{toml}[exec.commands]\n"{typed}" = "lamp"\n[wyoming]\nkeywords = ["{typed}"]', encoding="utf-8")
    config = read_config(path, [parse_set(f"keyword.{typed}.patience=2")])
    model = Description(
        format=1, name="toy", version="1", labels=(SILENCE, UNKNOWN, typed), front_end=FrontEnd(), sha256={}
    )
    assert model.keywords == (word,)
    settings = resolve(model.labels, config.layers(config.sources[0]))
    assert (settings.keywords[word].threshold, settings.keywords[word].patience) == (0.7, 2)
    assert settings.gate == GateSettings(wake_words=(word,))
    assert settings.listened == (word,)
    assert config.exec
    assert config.exec.commands == {word: "lamp"}
    assert config.wyoming
    assert config.wyoming.keywords == (word,)


def test_a_site_of_one_source_goes_before_that_of_mqtt(tmp_path: Path) -> None:
    config = read(tmp_path, "[mqtt]\nsite = 'house'\n[source]\nsite = 'hall'")
    assert config.publishing(config.sources[0])[0] == MqttOptions(site="hall")
    config = read(tmp_path, "[mqtt]\nsite = 'house'")
    assert config.publishing(config.sources[0])[0] == MqttOptions(site="house")


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file or directory"):
        read_config(tmp_path / "none.toml")
    (tmp_path / "kws.toml").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="decode"):
        read_config(tmp_path / "kws.toml")
    with pytest.raises(UsageError, match=r"^/dev/zero: has more than 1000000 bytes$"):
        read_config(Path("/dev/zero"))


def test_a_mark_at_the_beginning_and_the_line_ends_of_windows_are_no_matter(tmp_path: Path) -> None:
    (tmp_path / "kws.toml").write_bytes(b"\xef\xbb\xbf[source]\r\ndevice = 'USB'\r\n")
    assert read_config(tmp_path / "kws.toml").sources[0].device == "USB"


def test_the_named_file_goes_before_the_users_before_the_systems(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "kws" / "kws.toml"
    other = tmp_path / "xdg" / "kws" / "kws.toml"
    for path in (own, other):
        path.parent.mkdir(parents=True)
        path.touch()
    assert find_config("here.toml", {}) == Path("here.toml")
    assert find_config(None, {"HOME": str(tmp_path)}) == own
    assert find_config(None, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "xdg")}) == other
    assert find_config(None, {"HOME": str(tmp_path), "KWS_CONFIG": str(other)}) == other
    with pytest.raises(UsageError, match=r"^/there\.toml: no such file, though \$KWS_CONFIG names it$"):
        find_config(None, {"HOME": str(tmp_path), "KWS_CONFIG": "/there.toml"})
    assert find_config("here.toml", {"KWS_CONFIG": "/there.toml"}) == Path("here.toml")
    own.unlink()
    assert find_config(None, {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": f"/no/such:{tmp_path / 'xdg'}"}) == other


def test_without_a_file_there_are_the_defaults(tmp_path: Path) -> None:
    if Path("/etc/kws/kws.toml").exists():
        pytest.skip("this machine has one")
    assert find_config(None, {"HOME": str(tmp_path)}) is None
    assert read_config() == Config()


def uncommented(text: str, *, examples: bool) -> str:
    """The example with its settings in force: all, or those that it calls the defaults."""
    lines = []
    in_example = False
    for line in text.splitlines():
        if line.lstrip("#").startswith("["):
            in_example = "# example" in line
        if examples or not (in_example or "# example" in line):
            lines.append(re.sub(r"^#(?=[a-z\[])", "", line))
    return "\n".join(lines)


def test_the_example_can_be_used_as_it_is() -> None:
    assert read_config(EXAMPLE) == Config(mqtt=MqttOptions())


def test_what_the_example_shows_as_defaults_are_the_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, uncommented(EXAMPLE.read_text(), examples=False))
    assert config == Config(mqtt=MqttOptions())


def test_every_line_of_the_example_is_a_setting(tmp_path: Path) -> None:
    text = uncommented(EXAMPLE.read_text(), examples=True)
    config = read(tmp_path, text.replace("mqtt://localhost", "mqtts://localhost"))  # with certificates it must be so
    assert config.mqtt
    assert config.mqtt.site == "kitchen"
    assert config.exec
    assert config.exec.commands == {"on": ("lamp", "--on"), "off": "lamp --off"}


def shown(text: str) -> dict[str, set[str]]:
    """The settings that the example shows, by table."""
    tables: dict[str, set[str]] = {}
    keys: set[str] = set()
    for line in text.splitlines():
        if table := re.match(r"#?\[\[?([a-z_.]+)\]", line):
            keys = tables.setdefault(table[1], set())
        elif key := re.match(r"#?([a-z_]+) = ", line):
            keys.add(key[1])
    return tables


KINDS: dict[str, type[msgspec.Struct]] = {"decision": DecisionOptions, "gate": GateOptions, **TABLES}


def test_the_example_shows_every_setting() -> None:
    tables = shown(EXAMPLE.read_text())
    own = {"home_assistant", "watch", *Options.__struct_fields__}
    assert tables["source"] == set(SourceOptions.__struct_fields__) - own
    for name, kind in KINDS.items():
        assert tables[name] == set(kind.__struct_fields__) - {"commands"}, name
    assert "exec.commands" in tables
    assert tables.keys() == KINDS.keys() | {"source", "word", "keyword.on", "exec.commands"}
    for name in own:
        assert f"[source.{name}" in EXAMPLE.read_text()


def test_each_default_that_the_example_tells_is_the_default() -> None:
    compared = 0
    table = ""
    for line in EXAMPLE.read_text().splitlines():
        if match := re.match(r"#?\[\[?([a-z_.]+)\]", line):
            table = match[1]
        elif (match := re.match(r"#?(([a-z_]+) = .*)", line)) and table in KINDS:
            if "# example" in line or match[2] == "wake_words":
                continue
            value = tomllib.loads(match[1])[match[2]]
            defaults = GateSettings(wake_words=("computer",)) if table == "gate" else KINDS[table]()
            assert getattr(defaults, match[2]) == value, line
            compared += 1
    assert compared == 37


def test_what_a_source_may_be_is_what_can_be_read(tmp_path: Path) -> None:
    for rate, beyond in ((MIN_RATE, MIN_RATE - 1), (MAX_RATE, MAX_RATE + 1)):
        assert read(tmp_path, f"[source]\nrate = {rate}").sources[0].rate == rate
        with pytest.raises(UsageError, match="rate"):
            read(tmp_path, f"[source]\nrate = {beyond}")
    for name in SAMPLE_FORMATS:
        assert read(tmp_path, f"[source]\nsample_format = '{name}'").sources[0].sample_format == name
    with pytest.raises(UsageError, match=", ".join(f'"{name}"' for name in SAMPLE_FORMATS)):
        read(tmp_path, "[source]\nsample_format = 'x'")
    for name in INTERPRETERS:
        assert read(tmp_path, f"[model]\ninterpreter = '{name}'").model.interpreter == name
