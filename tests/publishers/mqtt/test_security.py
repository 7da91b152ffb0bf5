"""Encrypted connections and websockets, with a broker and an authority of the test's own."""

from __future__ import annotations

import gc
import logging
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from kws.errors import UsageError
from kws.publishers.mqtt.session import ConnectError, Session
from kws.publishers.mqtt.settings import MqttOptions, parse_broker
from kws.publishers.mqtt.tls import make_tls
from kws.publishers.mqtt.topics import Message
from tests.support.broker import Broker, free_port
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection, past


class Authority:
    """A certificate authority for an afternoon."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
        self.ca = str(folder / "ca.pem")

    def issue(self, name: str, *, host: str = "127.0.0.1") -> tuple[str, str]:
        """A certificate and its key, in files."""
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        extensions = self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName=IP:{host}\n")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", str(extensions), "-out", f"{name}.pem")  # fmt: skip
        return str(self._folder / f"{name}.pem"), str(self._folder / f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    return Authority(tmp_path_factory.mktemp("authority"))


def serve_tls(broker: Broker, authority: Authority, *, host: str = "127.0.0.1", ask: bool = False) -> str:
    certificate, key = authority.issue(f"broker-{host}", host=host)
    broker.lines += [f"certfile {certificate}", f"keyfile {key}"]
    if ask:
        broker.lines += [f"cafile {authority.ca}", "require_certificate true"]
    broker.start()
    return f"mqtts://127.0.0.1:{broker.port}"


def connect(options: MqttOptions) -> Session:
    broker = parse_broker(options)
    return Session(options, broker, password=None, tls=make_tls(options, broker), client_id="test")


def publish(session: Session) -> None:
    session.publish([Message("a", "b")], deadline=time.monotonic() + 10)
    session.close()
    assert session.lost


def test_tls_with_an_authority_of_ones_own(stopped_broker: Broker, authority: Authority) -> None:
    url = serve_tls(stopped_broker, authority)
    with running(stopped_broker, url=url, ca=authority.ca) as service:
        service.worker.put(detection("on"))
        service.wait_settled(1)
        stopped_broker.kill()
        stopped_broker.start()
        service.worker.put(detection("on"))
        counts = service.wait_settled(2)
    assert counts.published + counts.unconfirmed == 2
    assert counts.published >= 1


def test_a_broker_that_is_not_to_be_trusted_is_said(stopped_broker: Broker, authority: Authority) -> None:
    url = serve_tls(stopped_broker, authority)
    with pytest.raises(ConnectError, match=r"certificate is not trusted \(.*\); name its authority with mqtt.ca"):
        connect(MqttOptions(url=url))


def test_a_certificate_for_another_host_is_said(stopped_broker: Broker, authority: Authority) -> None:
    url = serve_tls(stopped_broker, authority, host="10.0.0.1")
    with pytest.raises(ConnectError, match=r"not trusted \(.*not valid for '127.0.0.1'"):
        connect(MqttOptions(url=url, ca=authority.ca))


def test_a_broker_that_wants_to_see_a_certificate(stopped_broker: Broker, authority: Authority) -> None:
    url = serve_tls(stopped_broker, authority, ask=True)
    certificate, key = authority.issue("client")
    publish(connect(MqttOptions(url=url, ca=authority.ca, certificate=certificate, key=key)))
    with pytest.raises(ConnectError):
        connect(MqttOptions(url=url, ca=authority.ca))


def test_files_that_are_no_certificates_are_said(authority: Authority, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("hello")
    certificate, _ = authority.issue("other")
    for options, problem in (
        (MqttOptions(url="mqtts://x", ca="/dev/zero"), "^ca: /dev/zero is not a regular file$"),
        (MqttOptions(url="mqtts://x", certificate="/dev/zero"), "^certificate: /dev/zero is not a regular file$"),
        (MqttOptions(url="mqtts://x", ca="/no/such"), "^ca: /no/such: No such file or directory$"),
        (MqttOptions(url="mqtts://x", ca=str(wrong)), "^ca: .*wrong.pem: not valid PEM"),
        (MqttOptions(url="mqtts://x", certificate=str(wrong)), "^certificate: .*wrong.pem: not valid PEM"),
        (MqttOptions(url="mqtts://x", certificate=certificate, key="/no/such"), "other.pem and /no/such: No such file"),
        (
            MqttOptions(url="mqtts://x", certificate=certificate, key=authority.ca.replace("ca.pem", "ca.key")),
            "KEY_VALUES_MISMATCH",
        ),
    ):
        with pytest.raises(UsageError, match=problem):
            make_tls(options, parse_broker(options))


def test_websockets(stopped_broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    # This mosquitto refuses to run with websockets alone.
    stopped_broker.lines += [f"listener {port}", "socket_domain ipv4", "protocol websockets"]
    stopped_broker.start()
    url = f"ws://127.0.0.1:{port}"
    if "Websockets support not available" in stopped_broker.log:
        pytest.skip("this mosquitto has no websockets")
    with caplog.at_level(logging.INFO, "kws"), running(stopped_broker, url=url) as service:
        service.worker.put(detection("on"))
        assert service.wait_settled(1).published == 1
        stopped_broker.kill()
        while "lost" not in caplog.text:
            past(time.monotonic() + 0.01)
        stopped_broker.start()
        service.worker.put(detection("on"))
        assert service.wait_settled(2).published == 2


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # paho-mqtt leaves it to the collector
def test_what_answers_does_not_speak_websockets(broker: Broker) -> None:
    with pytest.raises(ConnectError, match="does not speak websockets here") as error:
        connect(MqttOptions(url=f"ws://127.0.0.1:{broker.port}"))
    del error
    gc.collect()


def test_what_answers_is_not_what_was_meant(broker: Broker) -> None:
    with pytest.raises(ConnectError, match=r"TLS fails|ends the connection at once"):
        connect(MqttOptions(url=f"mqtts://127.0.0.1:{broker.port}"))
    with pytest.raises(ConnectError, match="no host of this name"):
        connect(MqttOptions(url="mqtt://no-such-host.invalid"))
