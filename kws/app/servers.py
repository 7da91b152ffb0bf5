"""The servers that a configuration asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kws.app.build import wake_word_pipeline
from kws.audio.wyoming import MISSING
from kws.common.addresses import is_local
from kws.common.files import replacing
from kws.config.places import state_folder
from kws.config.schema import Config
from kws.errors import KwsError, UsageError
from kws.service.clips.cutter import ClipRequest
from kws.service.clips.recorder import file_name
from kws.types import Detection

if TYPE_CHECKING:
    from kws.inference.model import Model
    from kws.servers.monitor import Monitor
    from kws.servers.wyoming import WyomingServer
    from kws.service.listener import Listener


def make_wyoming(config: Config, model: Model) -> WyomingServer:
    """Start the Wyoming server.

    Raises:
        UsageError: a setting is wrong, or the extra is missing.
        KwsError: the address is not available.
    """
    try:
        from kws.servers.wyoming import WyomingServer  # noqa: PLC0415
    except ImportError:
        raise UsageError(f"wyoming: {MISSING}") from None
    assert config.wyoming
    with config.errors():
        return WyomingServer(config.wyoming, partial(wake_word_pipeline, config, model))


def make_monitor(config: Config, listeners: Callable[[], Sequence[Listener]]) -> Monitor:
    """Start the live page.

    Args:
        config: as read.
        listeners: returns those of the service.

    Raises:
        UsageError: a setting is wrong.
        KwsError: the address is not available.
    """
    from kws.servers.monitor import Monitor, Watched  # noqa: PLC0415

    def watched() -> list[Watched]:
        return [
            Watched(
                site=one.place.site,
                pipeline=one.place.pipeline,
                source=one.source,
                rate=one.rate,
                listening=one.hearing.wanted,
                trouble=one.hearing.trouble,
                obey=one.place.obey,
            )
            for one in listeners()
        ]

    assert config.monitor
    folder = config.clips and config.clips.path(os.environ)
    with config.errors():
        token = None if is_local(config.monitor.address) else _token(os.environ)
        return Monitor(config.monitor, watched, token=token, clip=partial(_clip, folder) if folder else None)


def _clip(folder: Path, site: str, detection: Detection) -> Path:
    """Return the file of a detection's recording."""
    request = ClipRequest(
        start=0, end=0, keyword=detection.keyword, score=detection.score, site=site, time=detection.time
    )
    return folder / file_name(request)


def _token(environment: Mapping[str, str]) -> str:
    """Return the token of the live page, which is made once and then kept: bookmarks stay valid.

    Raises:
        KwsError: it cannot be kept.
    """
    path = state_folder(environment) / "monitor-token"
    try:
        if path.exists() and (token := path.read_text(encoding="ascii").strip()):
            return token
        import secrets  # noqa: PLC0415 - it loads OpenSSL

        token = secrets.token_urlsafe(16)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replacing(path, mode=0o600) as file:
            file.write(f"{token}\n".encode())
    except (OSError, UnicodeDecodeError) as error:
        raise KwsError(f"monitor: the token cannot be kept in {path}: {error}") from None
    return token
