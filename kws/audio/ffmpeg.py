"""Sound from a URL, decoded by ffmpeg: a camera's RTSP stream, a radio, a recording on a web server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress

from kws.audio.channels import check_channel
from kws.audio.network import NetworkSource
from kws.audio.samples import decode
from kws.audio.url import without_login
from kws.errors import AudioError, OptionError
from kws.types import Float32Array

#: The rate that ffmpeg delivers, and the bytes of one read: a tenth of a second.
_RATE, _READ = 16000, 3200


class UrlSource(NetworkSource):
    """The sound of a URL, mono, at 16 kHz.

    Args:
        url: one for which :func:`~kws.audio.url.is_url` is true.
        channel: the channel to hear, counted from 1; None for the mix of all.
        timeout, buffer: see :class:`NetworkSource`.
        ends: True if the end of the sound is the end of the source; else it is an error, as for a microphone.

    Raises:
        OptionError: ffmpeg is not installed.
    """

    def __init__(
        self, url: str, *, channel: int | None = None, timeout: float = 2.0, buffer: float = 5.0, ends: bool = True
    ) -> None:
        if shutil.which("ffmpeg") is None:
            raise OptionError("input", f"{without_login(url)} needs the program ffmpeg: apt-get install ffmpeg")
        check_channel(channel)
        rtsp = url.lower().startswith("rtsp")
        # A recording on a web server comes at the pace of live sound, or what is too early would be dropped.
        pace = ["-re"] if url.lower().startswith("http") else []
        self._command = [
            "ffmpeg", "-nostdin", "-v", "error", *(["-rtsp_transport", "tcp"] if rtsp else pace), "-i", url, "-vn",
            *(["-ac", "1"] if channel is None else ["-af", f"pan=mono|c0=c{channel - 1}"]),
            "-ar", str(_RATE), "-f", "s16le", "-",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__(without_login(url), channel=None, timeout=timeout, buffer=buffer, ends=ends)

    def receive(self) -> Iterator[tuple[int, Float32Array]]:
        pipe = subprocess.PIPE
        with subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as self._process:
            assert self._process.stdout
            assert self._process.stderr
            while data := self._process.stdout.read(_READ):
                yield _RATE, decode(data[: len(data) // 2 * 2], "s16le").reshape(-1, 1)
            said = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        if self._process.returncode:
            problem = without_login(said[-1]).removeprefix(f"{self.name}: ") if said else "ffmpeg has ended"
            raise AudioError(f"{self.name}: {problem}")

    def disconnect(self) -> None:
        if self._process:
            with suppress(OSError):
                self._process.kill()
