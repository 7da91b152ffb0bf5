"""What records in a process of its own sends on from PortAudio's thread, to a reader that may be slow."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from kws.audio.portaudio.messages import Messages, readable
from kws.audio.portaudio.process import HEAD, SOUND, Sender

FINE = SimpleNamespace(input_overflow=False)
OVERFLOW = SimpleNamespace(input_overflow=True)
BLOCK = bytes(8000)


@pytest.fixture
def ends() -> Iterator[tuple[Sender, Messages]]:
    ours, theirs = socket.socketpair()
    # As small as it can be: a few blocks fill it.
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with ours, theirs, Sender(Messages(ours), keep=3) as sender:
        yield sender, Messages(theirs)


def test_sound_waits_until_it_is_said_that_the_stream_is_open(ends: tuple[Sender, Messages]) -> None:
    sender, reader = ends
    sender.callback(b"1234", 1, None, FINE)
    assert not reader.waiting()
    sender.begin(b"open")
    sender.callback(b"5678", 1, None, OVERFLOW)
    assert reader.receive(1) == b"open"
    first, second = reader.receive(1), reader.receive(1)
    assert first
    assert second
    assert HEAD.unpack_from(first)[1:3] == (0, 0)
    assert HEAD.unpack_from(second)[1:3] == (2, 1)
    assert (first[HEAD.size :], second[HEAD.size :]) == (b"1234", b"5678")
    assert HEAD.unpack_from(first)[3] <= HEAD.unpack_from(second)[3] == sender.came


def test_of_more_than_may_wait_the_oldest_is_lost(ends: tuple[Sender, Messages]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    assert reader.receive(1) == b"open"
    while sender.lost < 100:
        sender.callback(BLOCK, 10, None, FINE)
    finishes = threading.Thread(target=sender.finish, args=(b"ended",))
    finishes.start()
    received = []
    while (message := reader.receive(10)) != b"ended":
        assert message is not None
        kind, position, _, _ = HEAD.unpack_from(message)
        assert (kind, message[HEAD.size :]) == (SOUND, BLOCK)
        received.append(position)
    finishes.join(10)
    # What was under way when the reader had enough, and the newest that could be kept.
    end = sender.position
    assert received == [*range(0, end - 30 - sender.lost, 10), end - 30, end - 20, end - 10]


def test_the_end_is_told_after_all_that_was_heard(ends: tuple[Sender, Messages]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    sender.callback(b"1234", 1, None, FINE)
    assert readable(sender.news, timeout=0) == []
    sender.end()
    assert readable(sender.news, timeout=0) == [sender.news]
    sender.finish(b"ended")
    sender.callback(b"more", 1, None, FINE)
    messages = [reader.receive(1), reader.receive(1), reader.receive(1), reader.receive(0)]
    assert [message and message[:1] for message in messages] == [b"o", SOUND, b"e", None]


def test_a_reader_that_is_gone_is_a_failure(ends: tuple[Sender, Messages]) -> None:
    sender, reader = ends
    sender.begin(b"open")
    reader.close()
    sender.callback(BLOCK, 10, None, FINE)
    assert isinstance(sender.failure, BrokenPipeError)
    assert readable(sender.news, timeout=0) == [sender.news]
