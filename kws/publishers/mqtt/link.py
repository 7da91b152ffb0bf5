"""A connection that is kept up: made, lost, and made again, for as long as the service runs."""

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
_GAP = 0.25

#: Seconds after which a connection is a good one, and the next attempts begin without much waiting again.
_GOOD = 10.0


class Link:
    """Keeps a session open, in a thread of its own.

    Args:
        name: of the broker, for the log.
        connect: makes a session; raises :class:`ConnectError`.
        serve: called with each new session, and again whenever :meth:`wake` was; may publish and wait.
        farewell: called with the session before a clean end.
        backoff: between attempts.
    """

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], Session],
        serve: Callable[[Session, bool], None],
        farewell: Callable[[Session], None],
        backoff: Backoff | None = None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._serve = serve
        self._farewell = farewell
        self._backoff = backoff or Backoff()
        self._changed = threading.Condition()
        self._session: Session | None = None
        self._awake = False
        self._urgent = False
        self._closing = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name=f"link to {name}", daemon=True)

    def start(self) -> None:
        """Begin to connect; a second time does nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def wake(self) -> None:
        """Have the session served; any thread may ask, and never waits."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def session(self, deadline: float) -> Session | None:
        """The session, waited for; None if there is none until the deadline, or the end has come.

        That somebody waits is reason enough to try again at once, long before a patient back-off would.
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
        """Say farewell and end; a connection that hangs is left behind. A second time does nothing."""
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
                self._tell(str(error))
            except Exception:  # noqa: BLE001
                # A defect of ours or of a library; the next connection may fare better, no connection never does.
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
                with self._changed:
                    # Known to those who publish only now: what must come first has gone first.
                    self._session = session
                    fresh = False
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
            if time.monotonic() - begun > _GOOD:
                self._backoff.reset()
        if not self._closing:
            _log.warning("%s: the connection is lost", self._name)

    def _pause(self, begun: float) -> None:
        end = time.monotonic() + self._backoff.wait()
        with self._changed:
            while not self._closing and (left := end - time.monotonic()) > 0:
                since = time.monotonic() - begun
                if self._urgent and since >= _GAP:
                    return
                self._changed.wait(min(left, _GAP - since) if self._urgent else left)

    def _tell(self, trouble: str) -> None:
        """Say what keeps us away: once, until it is something else."""
        if trouble != self._trouble:
            _log.warning("%s: %s; trying again and again", self._name, trouble)
        else:
            _log.debug("%s: %s", self._name, trouble)
        self._trouble = trouble
