"""The service and the publishers as a user starts them: processes, signals and exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from kws.cli.listen import DEMO
from tests.support.broker import Broker, Subscriber
from tests.support.program import environment, error, kws, lines, start

STATUS = "kws/kitchen/status"


@pytest.fixture
def configure(tmp_path: Path, model_folder: Path) -> Path:
    """A configuration whose source is a FIFO beside it, as far as it needs no broker."""
    os.mkfifo(tmp_path / "sound")
    path = tmp_path / "kws.toml"
    path.write_text(
        f'[source]\ninput = "{tmp_path / "sound"}"\nrate = 16000\n[model]\nname = "{model_folder}"\n'
        f"[exec]\ncommand = 'touch \"{tmp_path}/heard-{{keyword}}\"'\n"
    )
    return path


def add_mqtt(path: Path, broker: Broker, more: str = "") -> None:
    path.write_text(f'{path.read_text()}[mqtt]\nurl = "{broker.url}"\nsite = "kitchen"\n{more}')


def pcm() -> bytes:
    """The demo's first six seconds as raw PCM."""
    import soundfile

    samples, _ = soundfile.read(DEMO, dtype="int16", stop=6 * 16000)
    return bytes(samples.tobytes())


def test_the_service_publishes_and_ends_in_order(broker: Broker, subscriber: Subscriber, configure: Path) -> None:
    add_mqtt(configure, broker)
    service = start("run", "--config", configure)
    subscriber.wait(STATUS, "offline")  # it is there, but hears nothing yet
    with (configure.parent / "sound").open("wb") as sound:
        sound.write(pcm())
        sound.flush()
        subscriber.wait(STATUS, "online")
        heard = subscriber.wait("kws/kitchen/detection").fields
        subscriber.wait(f"kws/kitchen/detection/{heard['keyword']}")
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=20)
    assert service.returncode == 0, log
    subscriber.wait(STATUS, "offline", count=2)
    assert (configure.parent / f"heard-{heard['keyword']}").exists()
    assert b"Traceback" not in log


@pytest.mark.parametrize("sound", [b"", pcm()], ids=["no sound yet", "no more sound"])
def test_the_service_ends_while_standard_input_is_open_and_idle(
    broker: Broker, subscriber: Subscriber, configure: Path, sound: bytes
) -> None:
    add_mqtt(configure, broker)
    configure.write_text(configure.read_text().replace(str(configure.parent / "sound"), "-"))
    service = start("run", "--config", configure)
    assert service.stdin
    assert service.stdout
    assert service.stderr
    subscriber.wait(STATUS, "offline")
    if sound:
        service.stdin.write(sound)
        service.stdin.flush()
        subscriber.wait("kws/kitchen/detection")
    service.send_signal(signal.SIGTERM)
    assert service.wait(20) == 0  # the other end of the pipe stays open
    assert not [line for line in service.stderr.read().splitlines() if b"Fatal" in line or b"Traceback" in line]
    for stream in (service.stdin, service.stdout, service.stderr):
        stream.close()


def test_forget_clears_the_broker(broker: Broker, subscriber: Subscriber, configure: Path) -> None:
    add_mqtt(configure, broker)
    subscriber.publish("homeassistant/device/kws_kitchen/config", "{}", retain=True)
    result = kws("run", "--config", configure, "--forget")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "kws: cleared 1 retained message\n")
    subscriber.wait("homeassistant/device/kws_kitchen/config", "")


def test_forget_needs_a_broker(configure: Path) -> None:
    assert error(kws("run", "--config", configure, "--forget"), 2) == (
        f"{configure}: has no table mqtt, so there is nothing to forget"
    )


def test_run_without_a_configuration_says_where_it_looked(tmp_path: Path) -> None:
    result = kws("run", env=environment(HOME=str(tmp_path), XDG_CONFIG_HOME=str(tmp_path)))
    assert error(result, 2) == (
        f"detections go nowhere; add a table mqtt, exec or stdout; there is no file "
        f"{tmp_path}/kws/kws.toml or /etc/kws/kws.toml"
    )


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("[mqtt]\nurl = 'mqtt://me:S3CRET@home'", "mqtt.url: takes no password"),
        ("[mqtt]\nca = '/no/such'\nurl = 'mqtts://x'", "mqtt.ca: /no/such: No such file or directory"),
        ("[exec.commands]\nonn = 'x'", "exec.commands: 'onn' is not a keyword of this model; did you mean 'on'?"),
        ("[keyword.onn]\npatience = 2", "keyword: 'onn' is not a keyword of this model; did you mean 'on'?"),
        ("[stdout]\nformat = 'xml'", 'stdout.format: must be one of "json", "text", "tsv", not "xml"'),
    ],
)
def test_what_is_wrong_with_the_configuration_is_one_line(configure: Path, more: str, problem: str) -> None:
    configure.write_text(f"{configure.read_text()}{more}\n")
    message = error(kws("run", "--config", configure), 2)
    assert message.startswith(f"{configure}: {problem}")
    assert "S3CRET" not in message


def test_somebody_must_hear_of_detections(tmp_path: Path, model_folder: Path) -> None:
    path = tmp_path / "kws.toml"
    path.write_text(f'[model]\nname = "{model_folder}"\n')
    assert error(kws("run", "--config", path), 2) == (
        f"{path}: detections go nowhere; add a table mqtt, exec or stdout"
    )


def test_listen_publishes_to_a_broker_and_runs_commands(
    broker: Broker, subscriber: Subscriber, spoken: Path, model_folder: Path, tmp_path: Path
) -> None:
    result = kws(
        "listen", spoken, "--model", model_folder, "--mqtt", broker.url, "--site", "desk",
        "--exec", f"touch '{tmp_path}/{{keyword}}-{{end}}'",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    heard = [json.loads(line) for line in result.stdout.splitlines()]
    assert heard
    subscriber.wait("kws/desk/status", "offline")
    assert [message.fields for message in subscriber.on("kws/desk/detection")] == heard
    assert {path.name for path in tmp_path.glob("*-*.*")} >= {f"{each['keyword']}-{each['end']}" for each in heard}


@pytest.mark.parametrize("problem", ["down", "password"])
def test_listen_fails_where_detections_were_not_delivered(
    stopped_broker: Broker, spoken: Path, model_folder: Path, tmp_path: Path, problem: str
) -> None:
    if problem == "password":
        passwords = tmp_path / "passwords"
        subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "me", "right"], check=True)
        stopped_broker.lines = [f"password_file {passwords}"]
        stopped_broker.start()
    result = kws(
        "listen", spoken, "--model", model_folder, "--mqtt", stopped_broker.url.replace("://", "://me@"),
        env=environment(KWS_MQTT_PASSWORD="wrong"),
    )  # fmt: skip
    count = len(result.stdout.splitlines())
    assert count
    assert result.returncode == 1
    assert f" {count} detections were dropped: " in result.stderr


def test_the_service_fails_where_detections_of_a_recording_were_not_delivered(
    stopped_broker: Broker, spoken: Path, model_folder: Path, tmp_path: Path
) -> None:
    config = tmp_path / "kws.toml"
    config.write_text(
        f'[source]\ninput = "{spoken}"\n[model]\nname = "{model_folder}"\n'
        f'[mqtt]\nurl = "{stopped_broker.url}"\nmax_age = 0.5\n'
    )
    result = kws("run", "--config", config)
    assert result.returncode == 1
    assert re.search(r"[0-9]+ detections were dropped: the broker could not be reached in time", result.stderr)


def test_a_command_that_is_missing_is_reported_before_anything_is_heard(spoken: Path, model_folder: Path) -> None:
    message = error(kws("listen", spoken, "--model", model_folder, "--exec", "no-such {keyword}"), 2)
    assert message == "--exec: there is no program 'no-such'"


def test_every_command_of_a_recording_is_run(spoken: Path, model_folder: Path, tmp_path: Path) -> None:
    heard = lines(
        kws(
            "listen",
            spoken,
            "--model",
            model_folder,
            "--exec",
            f"sh -c 'sleep 0.1; echo $KWS_KEYWORD >> {tmp_path}/log'",
        )
    )
    words = (tmp_path / "log").read_text().split()
    assert sorted(words) == sorted(each["keyword"] for each in heard)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--mqtt", "mqtt://me:S3CRET@home"], "--mqtt: takes no password; write it to a file"),
        (["--mqtt", "home"], "--mqtt: 'home' must begin with mqtt://"),
        (
            ["--mqtt", "mqtt://home", "--site", "a b"],
            '--site: must be 1 to 64 letters, digits, - or _ (A to Z), not "a b"',
        ),
        (["--site", "desk"], "--site goes with --mqtt"),
        (["--exec", "say {word}"], "--exec: {word} in '{word}' is not a value"),
        (["--exec", "no-such-program"], "--exec: there is no program 'no-such-program'"),
    ],
)
def test_options_that_cannot_be_are_one_line(
    arguments: list[str], problem: str, spoken: Path, model_folder: Path
) -> None:
    message = error(kws("listen", spoken, "--model", model_folder, *arguments), 2)
    assert message.startswith(problem)
    assert "S3CRET" not in message


@contextmanager
def quiet(sound: IO[bytes]) -> Iterator[None]:
    """Write silence, as a microphone in a quiet room."""
    done = threading.Event()

    def write() -> None:
        with suppress(BrokenPipeError):
            while not done.wait(0.05):
                sound.write(bytes(3200))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def test_flags_go_before_the_file_and_hold_over_a_reload(
    broker: Broker, subscriber: Subscriber, configure: Path
) -> None:
    add_mqtt(configure, broker)
    service = start(
        "run", "--config", configure, "--site", "hall", "--set", "keyword.on.threshold=0.77", "--log-format", "json"
    )
    subscriber.wait("kws/hall/state/threshold/on", "0.77")
    with (configure.parent / "sound").open("wb", buffering=0) as sound, quiet(sound):
        subscriber.wait("kws/hall/status", "online")
        configure.write_text(
            f"{configure.read_text()}[keyword.on]\nthreshold = 0.55\n[keyword.off]\nthreshold = 0.66\n"
        )
        service.send_signal(signal.SIGHUP)
        subscriber.wait("kws/hall/state/threshold/off", "0.66")
        service.send_signal(signal.SIGTERM)
        _, log = service.communicate(timeout=20)
    assert service.returncode == 0, log
    assert all(json.loads(line)["level"] for line in log.splitlines())
    assert {message.payload for message in subscriber.on("kws/hall/state/threshold/on")} == {"0.77"}
    assert not subscriber.on(STATUS)


def test_of_several_microphones_each_detection_says_where_it_was_heard(tmp_path: Path, model_folder: Path) -> None:
    sites = ("kitchen", "hall")
    for site in sites:
        os.mkfifo(tmp_path / site)
    path = tmp_path / "kws.toml"
    path.write_text(
        f'[model]\nname = "{model_folder}"\n[stdout]\n[exec]\ncommand = "touch {tmp_path}/{{site}}-{{keyword}}"\n'
        + "".join(f"[[source]]\nsite = '{site}'\ninput = '{site}'\nrate = 16000\n" for site in sites)
    )
    service = start("run", "--config", path)
    for site in sites:
        with (tmp_path / site).open("wb") as sound:
            sound.write(pcm())
    out, log = service.communicate(timeout=60)
    assert service.returncode == 0, log
    found = [json.loads(line) for line in out.splitlines()]
    heard = {site: [one["keyword"] for one in found if one["site"] == site] for site in sites}
    assert heard["kitchen"] == heard["hall"]
    assert len(heard["hall"]) >= 2
    assert all((tmp_path / f"{site}-{word}").exists() for site in sites for word in heard[site])
