"""The web server of the live page: the standard library's, with a thread for each connection.

So a browser that is slow or hangs keeps its own thread waiting and no other.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import socket
import threading
from contextlib import suppress
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from kws.publishers.mqtt.control import ControlError

if TYPE_CHECKING:
    from kws.servers.monitor import Monitor

_log = logging.getLogger(__name__)

#: The most connections at once, bytes in the body of a request, and seconds for each read and write.
_MOST_CONNECTIONS, _MOST_BYTES, _PATIENCE_SECONDS = 40, 64, 10.0

_COOKIE = "kws_token"

#: The names of this machine that a browser may call it by where there is no token.
_LOCAL = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class WebServer(ThreadingHTTPServer):
    """Serves the page, its events, its requests and its recordings.

    Args:
        monitor: that has all of them.
        listening: the socket.
        token: that a browser must show; None where only this machine reaches the address.
    """

    daemon_threads = True

    def __init__(self, monitor: Monitor, listening: socket.socket, token: str | None) -> None:
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_port = listening.getsockname()[1]
        self.monitor = monitor
        self.token = token
        self.page = files("kws.servers").joinpath("page.html").read_bytes()
        self._places = threading.Semaphore(_MOST_CONNECTIONS)
        self._thread = threading.Thread(target=self.serve_forever, name="monitor", daemon=True)
        self._thread.start()

    def end(self, *, wait: bool) -> None:
        """Stop serving."""
        closer = threading.Thread(target=self._end, name="close the monitor", daemon=True)
        closer.start()
        if wait:
            closer.join()

    def _end(self) -> None:
        self.shutdown()
        self.socket.close()
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the interface
        _log.debug("live page: %s", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    timeout = _PATIENCE_SECONDS
    server_version = "kws"
    sys_version = ""

    def do_GET(self) -> None:
        path, query = self._path()
        if self._may(query):
            if path == "/":
                self._answer(self.server.page, "text/html; charset=utf-8")
            elif path == "/events":
                self._events()
            elif path.startswith("/clip/") and (clip := self._clip(path.removeprefix("/clip/"))):
                self._answer(clip, "audio/flac")
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is nothing here")

    def do_POST(self) -> None:
        path, query = self._path()
        if not self._may(query):
            return
        origin = self.headers.get("Origin")
        length = self.headers.get("Content-Length", "")
        if origin not in (None, f"http://{self.headers.get('Host')}"):
            self._refuse(HTTPStatus.FORBIDDEN, "a page from elsewhere cannot ask for this")
        elif not path.startswith("/set/") or not length.isdecimal() or int(length) > _MOST_BYTES:
            self._refuse(HTTPStatus.BAD_REQUEST, "no such request")
        else:
            try:
                payload = self.rfile.read(int(length))
                self.server.monitor.obey(query.get("site", ""), unquote(path.removeprefix("/set/")), payload)
            except ControlError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            else:
                self._answer(b"", "text/plain", HTTPStatus.NO_CONTENT)

    def _path(self) -> tuple[str, dict[str, str]]:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            return "", {}
        return parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()}

    def _may(self, query: dict[str, str]) -> bool:
        """Return True if this browser may look; answer it otherwise."""
        token = self.server.token
        if token is None:
            # A page from elsewhere must not reach this machine by a name that it has made to mean 127.0.0.1.
            if _LOCAL.fullmatch(self.headers.get("Host", "")):
                return True
            self._refuse(HTTPStatus.FORBIDDEN, "call this page by the address that kws has logged")
        elif _same(token, query.get("token")):
            self.send_response(HTTPStatus.SEE_OTHER)  # the token does not stay in the address
            self.send_header("Set-Cookie", f"{_COOKIE}={token}; HttpOnly; SameSite=Strict; Max-Age=31536000")
            self.send_header("Location", "/")
            self.end_headers()
        elif _same(token, self._cookie()):
            return True
        else:
            self._refuse(HTTPStatus.FORBIDDEN, "this page needs the token in the address that kws has logged")
        return False

    def _cookie(self) -> str | None:
        with suppress(CookieError):
            if morsel := SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE):
                return morsel.value
        return None

    def _events(self) -> None:
        monitor = self.server.monitor
        page = monitor.open_page()
        if page is None:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open; close one of them")
            return
        try:
            self._head("text/event-stream")
            for batch in page.batches():
                data = f"data: {json.dumps(batch, separators=(',', ':'))}" if batch else ":"
                self.wfile.write(f"{data}\n\n".encode())
        finally:
            monitor.close_page(page)

    def _clip(self, number: str) -> bytes | None:
        return self.server.monitor.recording(int(number)) if number.isdecimal() and len(number) < 10 else None

    def _answer(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._head(kind, status, length=len(body))
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        self._answer(reason.encode(), "text/plain; charset=utf-8", status)

    def _head(self, kind: str, status: HTTPStatus = HTTPStatus.OK, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, template: str, *values: Any) -> None:
        _log.debug("live page: %s %s", self.client_address[0], template % values)


def _same(token: str, shown: str | None) -> bool:
    return shown is not None and secrets.compare_digest(token.encode(), shown.encode("utf-8", "replace"))
