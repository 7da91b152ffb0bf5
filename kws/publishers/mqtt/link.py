"""Keeps a connection up for as long as the service runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kws.common.backoff import Backoff
from kws.publishers.base import PublishError
from kws.publishers.mqtt.session import ConnectError, Session

_log = logging.getLogger(__name__)

#: Seconds between attempts at least, however urgent.
_GAP_SECONDS = 0.25

#: A connection that lasted this many seconds was good: the attempts after it start without much waiting.
_GOOD_SECONDS = 10.0


class Link:
    """Opens a session, serves it until it is lost, and opens the next, in a thread of its own.

    Args:
        name: of the broker, for the log.
        connect: opens a session; raises :class:`ConnectError`.
        serve: called with each session and True, and again with False after each :meth:`wake`. It may block.
        farewell: called with the session before an orderly end.
        backoff: between attempts.
    """

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], Session],
        serve: Callable[[Session, bool], None],
        farewell: Callable[[Session], None],
        backoff: Backoff,
    ) -> None:
        self._name = name
        self._connect = connect
        self._serve = serve
        self._farewell = farewell
        self._backoff = backoff
        self._changed = threading.Condition()
        self._session: Session | None = None
        self._awake = False
        self._urgent = False
        self._closing = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"link to {name}", daemon=True)

    def start(self) -> None:
        """Begin to connect; calling it again does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def wake(self) -> None:
        """Have the session served again; any thread may call this, and never waits."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def session(self, deadline: float) -> Session | None:
        """Wait for a session until the deadline; None without one, or at the end.

        While a caller waits, attempts to connect ignore the back-off.
        """
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._closing or self._usable(),
                min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX),
            )
            self._urgent = False
            return self._session if self._usable() else None

    @property
    def connected(self) -> bool:
        with self._changed:
            return self._usable()

    def close(self, *, timeout: float = 5.0) -> None:
        """Say farewell and end; a connection that hangs is abandoned. Calling it again does nothing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _usable(self) -> bool:
        return self._session is not None and not self._session.lost

    def _run(self) -> None:
        while not self._closing:
            begun = time.monotonic()
            try:
                self._hold(self._connect())
            except ConnectError as error:
                repeated = str(error) == self._trouble
                _log.log(logging.DEBUG if repeated else logging.WARNING, "%s: %s; retrying", self._name, error)
                self._trouble = str(error)
            except Exception:  # noqa: BLE001 - a defect must not end the thread: the next connection may succeed
                _log.exception("%s: the connection failed", self._name)
            self._pause(begun)

    def _hold(self, session: Session) -> None:
        """Serve a session until it is lost or the end has come."""
        self._trouble = ""
        begun = time.monotonic()
        _log.info("%s: connected", self._name)
        try:
            fresh = True
            while not self._closing and not session.lost:
                with self._changed:
                    self._awake = False
                self._serve(session, fresh)
                fresh = False
                with self._changed:
                    self._session = session  # for publishers only now: discovery and state go first
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._awake or self._closing or session.lost)
            if self._closing and not session.lost:
                self._farewell(session)
                session.close()
                return
        except PublishError as error:
            _log.debug("%s: %s", self._name, error)
        finally:
            with self._changed:
                self._session = None
            session.abort()
            if time.monotonic() - begun > _GOOD_SECONDS:
                self._backoff.reset()
        if not self._closing:
            _log.warning("%s: the connection is lost", self._name)

    def _pause(self, begun: float) -> None:
        end = time.monotonic() + self._backoff.wait()
        with self._changed:
            while not self._closing and (left := end - time.monotonic()) > 0:
                since = time.monotonic() - begun
                if self._urgent and since >= _GAP_SECONDS:
                    return
                self._changed.wait(min(left, _GAP_SECONDS - since) if self._urgent else left)
