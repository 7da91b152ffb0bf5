"""``kws check``: each part is tried by itself, and one that fails does not stop the others."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from kws.config.schema import MetricsOptions
from kws.service.metrics import Endpoint, MetricsObserver
from tests.cli.conftest import DEMO
from tests.support.broker import Broker
from tests.support.program import COMMAND, environment, error, kws
from tests.support.sound_server import SoundServer

Parts = dict[str, dict[str, object]]


@pytest.fixture
def configure(tmp_path: Path, model_folder: Path) -> Path:
    """A configuration in which all is well."""
    path = tmp_path / "kws.toml"
    path.write_text(f'[source]\ninput = "{DEMO}"\n[model]\nname = "{model_folder}"\n[stdout]\n')
    return path


def add(path: Path, toml: str) -> None:
    path.write_text(f"{path.read_text()}{toml}\n")


def check(path: Path, *arguments: str, **variables: str) -> tuple[int, Parts]:
    result = kws("check", "--config", path, "--json", *arguments, env=environment(**variables))
    assert result.stderr == ""
    return result.returncode, {part["part"]: part for part in json.loads(result.stdout)}


def test_every_part_is_tried(broker: Broker, configure: Path, tmp_path: Path) -> None:
    add(configure, f'[mqtt]\nurl = "{broker.url}"\nsite = "kitchen"\n[exec]\ncommand = "touch x"')
    add(configure, "[clips]\nfolder = 'new/clips'\n[metrics]\nport = 0")
    code, parts = check(configure, KWS_MQTT_PASSWORD="S3CRET")
    assert code == 0
    assert list(parts) == [
        "configuration", "model", "source", "publishers", "exec", "password", "broker", "clips", "metrics",
    ]  # fmt: skip
    assert all(part["ok"] and part["code"] == 0 and not part["warning"] for part in parts.values())
    assert parts["source"]["detail"] == f"{DEMO} at 16000 Hz"
    assert parts["publishers"]["detail"] == "mqtt, exec, stdout"
    assert parts["broker"]["detail"] == f"{broker.url}, site kitchen"
    assert parts["password"]["detail"] == "from $KWS_MQTT_PASSWORD"
    folder = tmp_path / "new" / "clips"
    assert parts["clips"]["detail"] == f"{folder}, which is made when it is needed, up to 100 MB; people are recorded"
    assert not folder.exists()
    assert parts["metrics"]["detail"] == "http://127.0.0.1:0/metrics"


def test_one_that_fails_does_not_stop_the_others(configure: Path, stopped_broker: Broker) -> None:
    add(configure, f'[mqtt]\nurl = "{stopped_broker.url}"\n[exec]\ncommand = "no-such {{keyword}}"')
    add(configure, f"[clips]\nfolder = '{configure}'\n[metrics]\naddress = 'no.such.host.invalid'")
    code, parts = check(configure, "--set", "source.input=none.wav", "--model", "none")
    assert code == 2
    assert [name for name, part in parts.items() if part["ok"]] == ["configuration", "publishers"]
    assert str(parts["model"]["detail"]).startswith("none: no such model folder")
    assert str(parts["source"]["detail"]).endswith("none.wav: No such file or directory")
    assert parts["exec"]["detail"] == f"{configure}: exec.command: there is no program 'no-such'"
    assert parts["broker"]["detail"] == f"{stopped_broker.url}: nothing listens on this port; is the broker running?"
    assert parts["clips"]["detail"] == f"clips.folder: {configure} is no folder"
    assert parts["metrics"]["detail"] == "metrics.address: 'no.such.host.invalid' is not an address"
    assert {name: part["code"] for name, part in parts.items() if not part["ok"]} == {
        "model": 2, "source": 1, "exec": 2, "broker": 1, "clips": 2, "metrics": 2,
    }  # fmt: skip


def test_what_is_not_there_is_1_and_what_cannot_be_is_2(configure: Path, stopped_broker: Broker) -> None:
    add(configure, f'[mqtt]\nurl = "{stopped_broker.url}"')
    assert check(configure)[0] == 1
    add(configure, "[exec]\ncommand = 'no-such'")
    assert check(configure)[0] == 2


def test_a_login_that_is_refused(stopped_broker: Broker, configure: Path, tmp_path: Path) -> None:
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "me", "right"], check=True)
    stopped_broker.lines = [f"password_file {passwords}"]
    stopped_broker.start()
    secret.write_text("wr0ng")
    secret.chmod(0o644)
    add(configure, f'[mqtt]\nurl = "{stopped_broker.url}"\nuser = "me"\npassword_file = "secret"')
    code, parts = check(configure)
    assert code == 1
    assert parts["broker"]["detail"] == (
        f"{stopped_broker.url}: refuses the login of user 'me' with this password (not authorized)"
    )
    assert (parts["password"]["detail"], parts["password"]["warning"]) == (
        f"from mqtt.password_file {secret}",
        f"mqtt.password_file: every user of this machine can read {secret}; chmod o= {secret}",
    )
    secret.write_text("right")
    secret.chmod(0o600)
    code, parts = check(configure)
    assert (code, parts["broker"]["detail"]) == (0, f"{stopped_broker.url} as user me, site {site()}")
    assert not parts["password"]["warning"]
    # The same from systemd, which names a folder of credentials.
    configure.write_text(configure.read_text().replace('password_file = "secret"', ""))
    secret.rename(tmp_path / "mqtt-password")
    code, parts = check(configure, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert (code, parts["broker"]["detail"]) == (0, f"{stopped_broker.url} as user me, site {site()}")
    assert parts["password"]["detail"] == f"from systemd's credential {tmp_path / 'mqtt-password'}"
    assert check(configure)[0] == 1


def site() -> str:
    from kws.publishers.mqtt.settings import MqttOptions, site_name

    return site_name(MqttOptions())


def test_files_that_are_missing_are_told_before_anything_is_connected(configure: Path, tmp_path: Path) -> None:
    add(configure, "[mqtt]\nurl = 'mqtts://127.0.0.1:1'\nca = 'ca.pem'\npassword_file = 'secret'")
    code, parts = check(configure)
    assert code == 2
    assert parts["TLS"]["detail"] == f"{configure}: mqtt.ca: {tmp_path / 'ca.pem'}: No such file or directory"
    assert parts["password"]["detail"] == (
        f"{configure}: mqtt.password_file: {tmp_path / 'secret'}: No such file or directory"
    )
    assert not parts["broker"]["ok"]


def test_a_port_that_is_taken_is_refused_and_one_that_all_can_reach_is_a_warning(configure: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        add(configure, f"[metrics]\nport = {port}")
        code, parts = check(configure)
    assert (code, parts["metrics"]["detail"]) == (1, f"metrics: 127.0.0.1 port {port}: Address already in use")
    options = MetricsOptions(port=0)
    endpoint = Endpoint(options, MetricsObserver(lambda: (), lambda: None).registry)
    code, parts = check(configure, "--set", f"metrics.port={urlsplit(endpoint.url).port}")
    endpoint.close()
    assert (code, parts["metrics"]["warning"]) == (0, "the port is in use by a kws that runs")
    code, parts = check(configure, "--set", "metrics.address=0.0.0.0", "--set", "metrics.port=0")
    assert (code, parts["metrics"]["warning"]) == (0, "whoever reaches this address can read them")


def test_nobody_who_would_hear_of_detections(configure: Path) -> None:
    configure.write_text(configure.read_text().replace("[stdout]\n", ""))
    code, parts = check(configure)
    assert code == 2
    assert parts["publishers"]["detail"] == (f"{configure}: detections go nowhere; add a table mqtt, exec or stdout")


def test_options_of_a_source_are_called_as_the_file_calls_them(configure: Path) -> None:
    configure.write_text(configure.read_text().replace(f'input = "{DEMO}"', "channels = 2"))
    code, parts = check(configure)
    assert code == 2
    assert parts["source"]["detail"] == (
        f"{configure}: source.channels: describes headerless sound, not a microphone; choose one channel by channel"
    )


def test_a_fifo_is_not_waited_for(configure: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "sound")
    code, parts = check(configure, "--set", f"source.input={tmp_path / 'sound'}")
    assert (code, parts["source"]["detail"]) == (0, f"{tmp_path / 'sound'} is a FIFO, not tried")
    code, parts = check(configure, "--set", "source.input=-")
    assert (code, parts["source"]["detail"]) == (0, "standard input, not tried")


def test_a_configuration_that_cannot_be_is_the_end(tmp_path: Path) -> None:
    code, parts = check(tmp_path / "none.toml")
    assert code == 2
    assert list(parts) == ["configuration"]
    result = kws("check", "--config", tmp_path / "none.toml", "--set", "x")
    assert result.returncode == 2
    assert result.stdout.startswith("FAIL  configuration: --set x: write KEY=VALUE, such as mqtt.url=mqtt://broker")
    assert error(kws("check", "--sett", "x=y"), 2).startswith("unrecognized arguments: --sett")


def test_on_a_pipe_each_part_is_a_line(configure: Path) -> None:
    add(configure, "[exec]\ncommand = 'no-such'\n[metrics]\naddress = '0.0.0.0'\nport = 0")
    result = kws("check", "--config", configure)
    assert (result.returncode, result.stderr) == (2, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"ok    configuration: {configure}"
    assert lines[4] == f"FAIL  exec: {configure}: exec.command: there is no program 'no-such'"
    assert lines[5] == "warn  metrics: http://0.0.0.0:0/metrics; whoever reaches this address can read them"
    assert len(lines) == 6


def test_on_a_terminal_it_is_a_table(configure: Path) -> None:
    add(configure, "[exec]\ncommand = 'no-such'")
    ours, its = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "check", "--config", configure],
        stdout=its,
        stderr=its,
        env=environment(TERM="xterm", COLUMNS="200"),
    ) as program:
        os.close(its)
        shown = b""
        while chunk := read(ours):
            shown += chunk
    os.close(ours)
    assert program.returncode == 2
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())
    rows = [[cell.strip() for cell in line.split("│")] for line in plain.splitlines() if "│" in line]
    last = {row[2]: (row[1], row[3]) for row in rows if len(row) == 5}
    assert last["configuration"] == ("ok", str(configure))
    assert last["exec"] == ("FAIL", f"{configure}: exec.command: there is no program 'no-such'")
    assert list(last) == ["configuration", "model", "source", "publishers", "exec"]


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


@pytest.mark.microphone
def test_every_microphone_is_tried(sound_server: SoundServer, configure: Path, tmp_path: Path) -> None:
    configure.write_text(
        configure.read_text().replace(f'[source]\ninput = "{DEMO}"\n', "")
        + "[[source]]\nsite = 'kitchen'\ndevice = 'room'\n[[source]]\nsite = 'hall'\ndevice = 'studio'\n"
        "[[source]]\nsite = 'attic'\ndevice = 'none'\n"
    )
    soundfile.write(tmp_path / "loud.wav", np.random.default_rng(1).normal(0, 0.1, 60 * 16000), 16000)
    sound_server.play(tmp_path / "loud.wav", sink="room")
    sound_server.wait_until_played()
    out, err = sound_server.run(*COMMAND, "check", "--config", configure, "--json").communicate(timeout=60)
    parts = {part["part"]: part for part in json.loads(out)}
    assert err == ""
    assert parts["source kitchen"]["ok"]
    assert parts["source kitchen"]["detail"].startswith("room, ALSA at 16000 Hz, level -")
    assert parts["source hall"]["ok"]
    assert parts["source hall"]["detail"] == "studio, ALSA at 16000 Hz"
    assert parts["source hall"]["warning"] == "it is digitally silent; is it muted?"
    assert not parts["source attic"]["ok"]
    assert parts["source attic"]["detail"].startswith('no microphone is called "none"; there are ')
