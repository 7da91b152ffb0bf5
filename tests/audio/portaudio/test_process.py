"""The recording process sends blocks from PortAudio's thread to a reader that may be slow."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from kws.audio.portaudio.process import HEAD, SOUND, Sender
from kws.audio.portaudio.stream import MAX_BLOCK_BYTES
from kws.audio.waiting import readable

FINE = SimpleNamespace(input_overflow=False)
OVERFLOW = SimpleNamespace(input_overflow=True)
BLOCK = bytes(8000)


@pytest.fixture
def ends() -> Iterator[tuple[Sender, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)  # a few blocks fill it
    theirs.settimeout(10)
    with ours, theirs:
        yield Sender(ours, keep=3), theirs


def receive(reader: socket.socket) -> bytes:
    return reader.recv(1 << 18)


def test_sound_waits_for_the_packet_that_says_that_the_stream_is_open(ends: tuple[Sender, socket.socket]) -> None:
    sender, reader = ends
    sender.callback(b"1234", 1, None, FINE)
    assert readable(reader.fileno(), timeout=0) == []
    sender.begin(b"open")
    sender.callback(b"5678", 1, None, OVERFLOW)
    assert receive(reader) == b"open"
    first, second = receive(reader), receive(reader)
    assert HEAD.unpack_from(first)[1:3] == (0, 0)
    assert HEAD.unpack_from(second)[1:3] == (2, 1)  # an overrun is a gap of one block
    assert (first[HEAD.size :], second[HEAD.size :]) == (b"1234", b"5678")
    assert HEAD.unpack_from(first)[3] <= HEAD.unpack_from(second)[3] == sender.came


def test_the_beginning_may_be_left_out(ends: tuple[Sender, socket.socket]) -> None:
    reader = ends[1]
    sender = Sender(ends[0]._connection, keep=3, left_out=1)
    sender.begin(b"open")
    for data in (b"1111222233334444", b"5555666677778888"):
        sender.callback(data, 2, None, FINE)  # of two channels
    assert receive(reader) == b"open"
    first, second = receive(reader), receive(reader)
    assert (HEAD.unpack_from(first)[1], first[HEAD.size :]) == (0, b"33334444")
    assert (HEAD.unpack_from(second)[1], second[HEAD.size :]) == (1, b"5555666677778888")


def test_the_buffer_of_portaudio_is_copied(ends: tuple[Sender, socket.socket]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    data = bytearray(b"12345678")
    sender.callback(memoryview(data), 2, None, FINE)
    data[:] = b"abcdefgh"  # PortAudio uses its buffer again
    assert receive(reader) == b"open"
    assert receive(reader)[HEAD.size :] == b"12345678"


def test_of_too_many_blocks_the_oldest_are_dropped(ends: tuple[Sender, socket.socket]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    assert receive(reader) == b"open"
    for _ in range(100):
        sender.callback(BLOCK, 10, None, FINE)
    finishes = threading.Thread(target=sender.finish, args=(b"ended",))
    finishes.start()
    received = []
    while (packet := receive(reader)) != b"ended":
        kind, position, _, _ = HEAD.unpack_from(packet)
        assert (kind, packet[HEAD.size :]) == (SOUND, BLOCK)
        received.append(position)
    finishes.join(10)
    # The blocks that the socket took, and the newest that could be kept.
    taken = len(received) - 3
    assert 0 < taken < 90
    assert received == [*range(0, 10 * taken, 10), 970, 980, 990]


def test_the_end_comes_after_all_the_sound(ends: tuple[Sender, socket.socket]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    sender.callback(b"1234", 1, None, FINE)
    assert readable(sender.ended, timeout=0) == []
    sender.finished()
    assert readable(sender.ended, timeout=0) == [sender.ended]
    sender.finish(b"ended")
    sender.callback(b"more", 1, None, FINE)
    assert [receive(reader)[:1] for _ in range(3)] == [b"o", SOUND, b"e"]
    assert readable(reader.fileno(), timeout=0) == []


@pytest.mark.parametrize("data", [BLOCK, None], ids=["the reader is gone", "no data"])
def test_an_error_in_the_callback_ends_the_recording(ends: tuple[Sender, socket.socket], data: bytes | None) -> None:
    sender, reader = ends
    sender.begin(b"open")
    if data:
        reader.close()
    sender.callback(data, 10, None, FINE)
    assert isinstance(sender.failure, ConnectionError if data else TypeError)
    assert readable(sender.ended, timeout=0) == [sender.ended]


def test_two_of_the_largest_blocks_go_out_at_once(ends: tuple[Sender, socket.socket]) -> None:
    sender, reader = ends
    sender._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_BLOCK_BYTES)
    sender.begin(b"open")
    assert receive(reader) == b"open"
    for n in range(2):
        sender.callback(bytes([n]) * MAX_BLOCK_BYTES, 10, None, FINE)
    assert not sender._waiting
    assert [receive(reader)[HEAD.size :] for _ in range(2)] == [bytes([n]) * MAX_BLOCK_BYTES for n in range(2)]


@pytest.mark.process
def test_a_process_that_only_records_loads_little() -> None:
    heavy = {"numpy", "dataclasses", "inspect", "subprocess", "logging", "msgspec"}
    script = (
        "import sys; before = set(sys.modules)\n"  # an interpreter may load some by itself
        "import kws.audio.portaudio.process; print(*set(sys.modules) - before)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert "json" in loaded
    assert not loaded & heavy
