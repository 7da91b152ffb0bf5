from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.portaudio.messages import Messages, readable


@pytest.fixture
def ends() -> Iterator[tuple[Messages, Messages]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)  # as a recorder's is
    with ours, theirs:
        yield Messages(ours), Messages(theirs)


@given(st.lists(st.binary(max_size=9), min_size=1), st.data())
def test_messages_arrive_whole_however_their_bytes_do(messages: list[bytes], data: st.DataObject) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
        receiver = Messages(theirs)
        received = []
        while wire:
            size = data.draw(st.integers(1, len(wire)))
            ours.sendall(wire[:size])
            wire = wire[size:]
            while (message := receiver.receive(0)) is not None:
                received.append(message)
        assert received == messages
        assert not receiver.waiting()


def test_what_does_not_fit_is_refused_and_what_was_taken_arrives_whole(ends: tuple[Messages, Messages]) -> None:
    sender, receiver = ends
    taken = 0
    while sender.send_at_once(taken.to_bytes(4, "big") * 5000):
        taken += 1
    assert not sender.send_at_once(b"refused")
    assert receiver.waiting()
    # The last that was taken is on its way in part; the rest goes out with what follows.
    received = [receiver.receive(0) for _ in range(taken - 1)]
    assert receiver.receive(0) is None
    assert sender.send_at_once(b"next")
    received += [receiver.receive(1), receiver.receive(1)]
    assert received == [n.to_bytes(4, "big") * 5000 for n in range(taken)] + [b"next"]


def test_one_that_waits_sends_the_rest_first(ends: tuple[Messages, Messages]) -> None:
    sender, receiver = ends
    while sender.send_at_once(bytes(20000)):
        pass
    waits = threading.Thread(target=sender.send, args=(b"last",))
    waits.start()
    while (message := receiver.receive(10)) != b"last":
        assert message == bytes(20000)
    waits.join(10)
    assert not waits.is_alive()


def test_an_end_that_is_gone(ends: tuple[Messages, Messages]) -> None:
    sender, receiver = ends
    sender.send(b"last")
    sender.close()
    assert receiver.waiting()
    assert receiver.receive() == b"last"
    assert receiver.waiting()
    with pytest.raises(EOFError):
        receiver.receive()
    with pytest.raises(BrokenPipeError):
        receiver.send_at_once(b"x")


def test_which_can_be_read(ends: tuple[Messages, Messages]) -> None:
    one, other = ends
    assert readable(one.fileno(), other.fileno(), timeout=0) == []
    one.send(b"x")
    assert readable(one.fileno(), other.fileno(), timeout=0) == [other.fileno()]


@pytest.mark.parametrize("size", [6_400, 38_400, 76_800, 153_600])  # up to 8 channels at 96 kHz for 50 ms
def test_where_there_is_room_a_block_goes_out_whole(ends: tuple[Messages, Messages], size: int) -> None:
    sender, receiver = ends
    sender.make_room(2 * size)
    for n in range(2):
        assert sender.send_at_once(bytes([n]) * size)
    assert [receiver.receive(0), receiver.receive(0)] == [bytes(size), b"\1" * size]
