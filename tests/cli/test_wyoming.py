"""``kws wyoming`` and the table ``wyoming``, as users start them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("wyoming")

from wyoming.info import Describe, Info

from kws.types import Float32Array
from tests.cli.test_observers import own_address
from tests.support.program import error, kws, start
from tests.support.toy_model import tone, write_model
from tests.support.waiting import wait_until
from tests.support.wyoming_clients import ask, chunks, detect, pcm

RATE = 16000

Start = Callable[..., tuple[subprocess.Popen[bytes], int]]


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tones") / "model")


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command; yield the process and the port that it serves wake words on. It is killed in the end."""
    process = start(*arguments)
    try:
        assert process.stderr
        lines = (line.decode() for line in iter(process.stderr.readline, b""))
        ports = (re.search(r"served at tcp://127.0.0.1:(\d+)", line) for line in lines)
        yield process, next(int(port[1]) for port in ports if port)
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def run(tones: Path) -> Iterator[Start]:
    """Starts a command; returns the process and the port that it serves wake words on."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(*arguments, "--model", tones))


def words(*spoken: str) -> Float32Array:
    rest = np.zeros(RATE, np.float32)
    return np.concatenate([part for word in spoken for part in (rest, tone(word))] + [rest])


def served(port: int) -> list[str]:
    """Return the wake words that a server names."""
    [answer] = asyncio.run(ask(port, Describe()))
    return [model.name for model in Info.from_event(answer).wake[0].models]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal_ends_it(run: Start, number: signal.Signals) -> None:
    process, port = run("wyoming", "--uri", "tcp://127.0.0.1:0", "--keywords", "on,stop")
    assert served(port) == ["on", "stop"]
    found = asyncio.run(detect(port, chunks(pcm(words("on", "off", "stop")), RATE)))
    assert [one and one.name for one in found] == ["on", "stop"]
    with socket.socket() as elsewhere:
        elsewhere.settimeout(2)
        assert elsewhere.connect_ex((own_address(), port)) != 0  # the loopback only
    process.send_signal(number)
    assert process.wait(20) == 0


def test_the_service_hears_its_source_and_serves_wake_words_by_one_model(run: Start, tmp_path: Path) -> None:
    """After a reload there are other wake words at the same port."""
    os.mkfifo(tmp_path / "sound")
    file = tmp_path / "kws.toml"
    text = '[source]\ninput = "sound"\nrate = 16000\n[stdout]\nformat = "tsv"\n[gate]\nwake_words = ["on"]\n[wyoming]\n'
    with socket.create_server(("127.0.0.1", 0)) as free:
        wanted = free.getsockname()[1]
    text += f'uri = "tcp://127.0.0.1:{wanted}"\n'
    file.write_text(text + 'keywords = ["off"]\n')
    process, port = run("run", "--config", file)
    assert port == wanted
    with (tmp_path / "sound").open("r+b", buffering=0) as pipe:
        pipe.write(pcm(words("on", "stop")).tobytes())
        assert process.stdout
        lines = [process.stdout.readline().decode().split("\t")[0] for _ in range(2)]
        assert lines == ["on", "stop"]
        # The gate is for the source. A satellite's wake word needs none before it.
        found = asyncio.run(detect(port, chunks(pcm(words("on", "off")), RATE)))
        assert [one and one.name for one in found] == ["off"]
        file.write_text(text + 'keywords = ["on"]\n')
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: served(port) == ["on"])
        found = asyncio.run(detect(port, chunks(pcm(words("on", "off")), RATE)))
        assert [one and one.name for one in found] == ["on"]
        pipe.write(pcm(words("on")).tobytes())
        assert process.stdout.readline().decode().split("\t")[0] == "on"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_what_cannot_be_served_is_one_line(tones: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = kws("wyoming", "--model", tones, "--uri", f"tcp://127.0.0.1:{port}")
        assert error(failed, 1) == f"wyoming: 127.0.0.1 port {port}: Address already in use"
    assert error(kws("wyoming", "--uri", "http://x"), 2) == "--uri: must be tcp://HOST:PORT, not 'http://x'"
    failed = kws("wyoming", "--model", tones, "--uri", "tcp://no.such.host.invalid:1")
    assert error(failed, 2) == "--uri: 'no.such.host.invalid' is not an address"
    failed = kws("wyoming", "--model", tones, "--keywords", "onn")
    assert error(failed, 2).startswith("--keywords: 'onn' is not a keyword")


def test_check_refuses_what_the_service_would_refuse(run: Start, tones: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", words("on"), RATE)
    file = tmp_path / "kws.toml"
    file.write_text('[source]\ninput = "sound.wav"\n[stdout]\n[wyoming]\nuri = "tcp://127.0.0.1:0"\n')

    def check(*more: str) -> str:
        done = kws("check", "--config", file, "--model", tones, *more)
        [line] = [line for line in done.stdout.splitlines() if " wyoming: " in line]
        assert line.startswith("FAIL") == (done.returncode != 0)
        return f"{done.returncode} {line}"

    assert check() == "0 ok    wyoming: tcp://127.0.0.1:0, for on, off, stop"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert check("--set", f"wyoming.uri=tcp://127.0.0.1:{port}") == (
            f"1 FAIL  wyoming: wyoming: 127.0.0.1 port {port}: Address already in use"
        )
    _, port = run("wyoming", "--uri", "tcp://127.0.0.1:0")
    assert check("--set", f"wyoming.uri=tcp://127.0.0.1:{port}").endswith("the port is in use by a kws that runs")
    assert check("--set", 'wyoming.keywords=["yes"]').startswith("2 FAIL  wyoming: --set: wyoming.keywords: 'yes' is")


def test_a_satellite_that_is_not_there(tones: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    failed = kws("listen", "--model", tones, "--wyoming", f"tcp://127.0.0.1:{port}")
    assert error(failed, 1) == f"tcp://127.0.0.1:{port}: Connection refused"
