from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.errors import OptionError, UsageError
from kws.publishers.mqtt.settings import (
    MqttOptions,
    exposed_files,
    parse_broker,
    password_origin,
    read_password,
    site_name,
)


def broker(url: str, **more: str) -> str:
    parsed = parse_broker(MqttOptions(url=url, **more))  # type: ignore[arg-type]
    return f"{parsed} {parsed.user} {'TLS' if parsed.tls else 'plain'}"


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("mqtt://home", "mqtt://home:1883 None plain"),
        ("mqtts://home/", "mqtts://home:8883 None TLS"),
        ("mqtt://me@home:1884", "mqtt://home:1884 me plain"),
        ("ws://home", "ws://home:80/mqtt None plain"),
        ("wss://home:9001/there", "wss://home:9001/there None TLS"),
        ("mqtt://[fe80::1]:99", "mqtt://[fe80::1]:99 None plain"),
    ],
)
def test_a_url_names_the_broker(url: str, means: str) -> None:
    assert broker(url) == means


def test_the_user_may_be_in_the_table() -> None:
    assert broker("mqtt://home", user="me") == "mqtt://home:1883 me plain"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("home", "'home' must begin with mqtt://, mqtts://, ws://, wss://"),
        ("http://home", "must begin with mqtt://"),
        ("mqtt:home", "must begin with mqtt://"),
        ("mqtt://", "needs a host"),
        ("mqtt://home:0", "needs a host"),
        ("mqtt://home:99999", "has no valid host or port"),
        ("mqtt://home:x", "has no valid host or port"),
        ("mqtt://[::1", "has no valid host or port"),
        ("mqtt://a..b", "has no valid host or port"),
        (f"mqtt://{'x' * 64}", "has no valid host or port"),
        ("mqtt://my home", "needs a host"),
        ("mqtt://a\x85b@home", "must be a name without control characters"),
        ("mqtt://home/kitchen", "'mqtt://home/kitchen' continues after the host; the site is a setting of its own"),
        ("ws://home?x=1", "continues after the host"),
    ],
)
def test_what_is_wrong_with_a_url_is_said(url: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        broker(url)
    assert str(error.value).startswith("url: ")
    assert problem in str(error.value)


@pytest.mark.parametrize("url", ["mqtt://me:SECRET@home", "mqtt://:SECRET@home:x", "http://me:SECRET@home"])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(
        UsageError, match="takes no password; write it to a file and name that in password_file"
    ) as error:
        broker(url)
    assert "SECRET" not in str(error.value)


@given(st.sampled_from(["mqtt", "http", "", "x y"]), st.text("abc:/@?#[]%", max_size=8), st.text("/:x1[]", max_size=5))
def test_whatever_is_before_the_at_is_never_repeated(scheme: str, user: str, rest: str) -> None:
    said = ""
    try:
        broker(f"{scheme}://{user}S3CRET@home{rest}")
    except UsageError as error:
        said = str(error)
    assert "S3CRET" not in said


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (MqttOptions(url="mqtt://me@home", user="you"), "^user: the URL names another user"),
        (MqttOptions(url="mqtt://home", ca="ca.pem"), "^url: ca, .* the URL must begin with mqtts://"),
        (MqttOptions(url="ws://home", certificate="c.pem"), "must begin with wss://"),
        (MqttOptions(url="mqtts://home", key="k.pem"), "^key: goes with a certificate"),
    ],
)
def test_settings_must_go_together(options: MqttOptions, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_broker(options)


def test_the_password_comes_from_a_file_before_a_credential_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(" of the file \r\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    environment = {"KWS_MQTT_PASSWORD": "of the environment", "CREDENTIALS_DIRECTORY": str(credentials)}
    assert read_password(MqttOptions(), {}) is None
    assert read_password(MqttOptions(), environment) == "of the environment"
    (credentials / "mqtt-password").write_text("of systemd\n")
    assert read_password(MqttOptions(), environment) == "of systemd"
    assert read_password(MqttOptions(password_file=str(file)), environment) == " of the file "


def test_a_password_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(UsageError, match=f"^password_file: {path}: No such file or directory"):
        read_password(MqttOptions(password_file=str(path)), {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        read_password(MqttOptions(password_file=str(path)), {})


def test_the_site_is_the_name_of_the_host_unless_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert site_name(MqttOptions(site="living-room_2")) == "living-room_2"
    monkeypatch.setattr("platform.node", lambda: "pi größer.local")
    assert site_name(MqttOptions()) == "pi_gr__er"


@pytest.mark.parametrize("site", ["", "a/b", "a b", "+", "ä", "x" * 65, "a\n"])
def test_a_site_is_one_plain_level(site: str) -> None:
    with pytest.raises(UsageError, match=r"^site: "):
        site_name(MqttOptions(site=site))


def test_where_a_password_comes_from_is_told_without_a_look_at_it(tmp_path: Path) -> None:
    file = tmp_path / "mqtt-password"
    assert password_origin(MqttOptions(), {}) is None
    assert password_origin(MqttOptions(), {"KWS_MQTT_PASSWORD": "x"}) == "$KWS_MQTT_PASSWORD"
    environment = {"KWS_MQTT_PASSWORD": "x", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert password_origin(MqttOptions(), environment) == "$KWS_MQTT_PASSWORD"  # systemd had none
    file.touch()
    assert password_origin(MqttOptions(), environment) == f"systemd's credential {file}"
    assert password_origin(MqttOptions(password_file="x"), environment) == "mqtt.password_file x"


def test_an_empty_password_is_a_slip(tmp_path: Path) -> None:
    file = tmp_path / "mqtt-password"
    file.write_text("\n")
    with pytest.raises(UsageError, match=rf"^password_file: {file} is empty$"):
        read_password(MqttOptions(password_file=str(file)), {})
    with pytest.raises(UsageError, match=rf"^systemd's credential: {file} is empty$"):
        read_password(MqttOptions(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_secrets_that_everybody_can_read_are_told(tmp_path: Path, mode: int, exposed: bool) -> None:
    password, key = tmp_path / "password", tmp_path / "key"
    for path in (password, key):
        path.touch()
        path.chmod(mode)
    expected = [
        f"mqtt.password_file: every user of this machine can read {password}; chmod o= {password}",
        f"mqtt.key: every user of this machine can read {key}; chmod o= {key}",
    ]
    options = MqttOptions(password_file=str(password), key=str(key), certificate="/no/such")
    assert exposed_files(options) == (expected if exposed else [])
    assert exposed_files(MqttOptions(password_file="/no/such")) == []


def test_what_is_not_a_small_file_is_no_password(tmp_path: Path) -> None:
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    large.write_bytes(b"x" * 65536)
    for path, problem in (
        (Path("/dev/zero"), "is not a regular file"),
        (fifo, "is not a regular file"),
        (tmp_path, "Is a directory"),
        (large, "has more than 65535 bytes"),
    ):
        with pytest.raises(OptionError, match=rf"^password_file: {path}:? {problem}$"):
            read_password(MqttOptions(password_file=str(path)), {})
    large.write_bytes(b"x" * 65534 + b"\n")
    assert read_password(MqttOptions(password_file=str(large)), {}) == "x" * 65534
