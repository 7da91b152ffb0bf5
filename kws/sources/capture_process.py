"""The other side of :class:`~kws.sources.isolated.IsolatedMicrophone`: a process that has PortAudio to itself.

Started as ``python -m kws.sources.capture_process FD OPTIONS``. It takes two requests, ``open`` and ``close``, and
answers with messages whose first byte says what they are:

=====  ============================================================================
``O``  open; JSON: name, rate
``S``  sound: :data:`HEAD` (the S, its position, overruns, when it came), then float32 samples
``F``  failed, or the sound has ended: JSON: kind (see :data:`KINDS`), text
``C``  closed, as was asked for or after the sound has ended
=====  ============================================================================
"""

from __future__ import annotations

import json
import signal
import struct
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from kws.errors import AudioError, KwsError, UsageError
from kws.sources.devices import AbsentError, open_streams, refresh_devices
from kws.sources.microphone import Microphone

OPEN, CLOSE = b"open", b"close"
OPENED, SOUND, FAILED, CLOSED = b"O", b"S", b"F", b"C"

#: What comes before the samples of a block; it leaves them aligned. The time is that of :func:`time.monotonic`, which
#: all processes share.
HEAD = struct.Struct("<c7xqqd")

#: Errors that cross over, the special before the general; whatever else is raised becomes the last.
KINDS: dict[str, type[KwsError]] = {"absent": AbsentError, "usage": UsageError, "audio": AudioError}


def main(arguments: list[str]) -> None:
    # A service is ended by its own process, which then closes the connection; a terminal would tell both.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(int(arguments[0]))
    options = json.loads(arguments[1])
    with suppress(EOFError, OSError):  # nobody is there any more
        serve(connection, options)


def serve(connection: Connection[Any, Any], options: dict[str, Any]) -> None:
    """Open and close the microphone as the other side asks, until it goes away.

    Raises:
        EOFError, OSError: it has gone away.
    """
    first = True
    while not open_streams:  # one that does not close means that PortAudio hangs: only a new process has a new one
        if connection.recv_bytes() != OPEN:
            connection.send_bytes(CLOSED)
            continue
        try:
            if not first:
                refresh_devices()  # what was plugged in since is found only so
            first = False
            with Microphone(**options) as microphone:
                _record(microphone, connection)
            connection.send_bytes(CLOSED)
        except Exception as error:  # noqa: BLE001 - raised here, nobody would see it
            _fail(connection, error)


def _record(microphone: Microphone, connection: Connection[Any, Any]) -> None:
    """Hand over the sound until somebody asks to close, or it fails; which is told before closing, that may hang."""
    opened = {"name": microphone.name, "rate": microphone.rate}
    connection.send_bytes(OPENED + json.dumps(opened).encode())
    try:
        for block in microphone.blocks():
            came = time.monotonic() - microphone.backlog
            head = HEAD.pack(SOUND, block.position, microphone.overruns, came)
            connection.send_bytes(head + block.samples.tobytes())
            if connection.poll():
                connection.recv_bytes()  # it can only be CLOSE
                return
    except KwsError as error:
        _fail(connection, error)


def _fail(connection: Connection[Any, Any], error: Exception) -> None:
    if isinstance(error, EOFError | OSError):
        raise error
    kind = next((name for name, kind in KINDS.items() if isinstance(error, kind)), "audio")
    text = str(error) if isinstance(error, KwsError) else repr(error)
    connection.send_bytes(FAILED + json.dumps({"kind": kind, "text": text}).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
