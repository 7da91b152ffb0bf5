"""Keeps what was set over MQTT over restarts: a muted microphone stays muted after a power cut."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from kws.common.files import read_file, replacing
from kws.config.places import state_folder
from kws.decision import DecisionSettings
from kws.pipeline.requests import Request, SetKeyword, SetListening, SetThreshold

_log = logging.getLogger(__name__)


class SiteState(msgspec.Struct):
    """The settings of one site.

    Attributes:
        listening: False if it was muted.
        thresholds: by keyword, the threshold that was set and the configuration's at that time.
        keywords: by keyword, whether it was switched on, and whether the configuration had it on at that time.
    """

    listening: bool = True
    thresholds: dict[str, tuple[float, float]] = {}
    keywords: dict[str, tuple[bool, bool]] = {}


class StateFile:
    """Remembers requests in a small JSON file. A change in the configuration goes before what was set earlier.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._configured: dict[str, DecisionSettings] = {}
        self._sites = self._read()

    def requests(self, site: str, settings: DecisionSettings) -> tuple[Request, ...]:
        """Return the requests that bring a site back to what was set.

        Args:
            site: its name.
            settings: as configured, which later requests are compared with.
        """
        with self._lock:
            self._configured[site] = settings
            state = self._sites.get(site, SiteState())
        requests: list[Request] = [] if state.listening else [SetListening(on=False)]
        for keyword, (threshold, configured) in state.thresholds.items():
            if keyword in settings.keywords and settings.keywords[keyword].threshold == configured:
                requests.append(SetThreshold(keyword, threshold))
        for keyword, (on, was_on) in state.keywords.items():
            if keyword in settings.keywords and (keyword in settings.listened) == was_on:
                requests.append(SetKeyword(keyword, on))
        return tuple(requests)

    def remember(self, site: str, request: Request) -> None:
        """Keep a request, from any thread; the file is on the disk when this returns. A disk that fails is logged."""
        with self._lock:
            configured = self._configured[site]
            state = self._sites.setdefault(site, SiteState())
            match request:
                case SetListening(on):
                    state.listening = on
                case SetThreshold(keyword, threshold) if keyword in configured.keywords:
                    state.thresholds[keyword] = (threshold, configured.keywords[keyword].threshold)
                case SetKeyword(keyword, on) if keyword in configured.keywords:
                    state.keywords[keyword] = (on, keyword in configured.listened)
            try:
                self._write(site)
            except OSError as error:
                _log.warning("%s: what was set will be lost at a restart: %s", self._path, error.strerror or error)

    def _read(self) -> dict[str, SiteState]:
        try:
            return msgspec.json.decode(read_file(self._path), type=dict[str, SiteState])
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            _log.warning("%s: what was set before is lost: %s", self._path, error)
            return {}

    def _write(self, site: str) -> None:
        """Write the state of a site; those of other sites stay as another service may have written them meanwhile."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder):
            self._sites |= {name: state for name, state in self._read().items() if name != site}
            with replacing(self._path, mode=0o600, durable=True) as file:
                file.write(msgspec.json.format(msgspec.json.encode(self._sites)) + b"\n")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other services from writing their state in a folder; not all network disks can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def state_file(environment: Mapping[str, str]) -> StateFile:
    """Return the state of the service that has these environment variables."""
    return StateFile(state_folder(environment) / "state.json")
