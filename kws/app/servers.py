"""The servers that a configuration asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kws.app.build import wake_word_pipeline
from kws.audio.wyoming import MISSING
from kws.config.schema import Config
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.inference.model import Model
    from kws.servers.wyoming import WyomingServer


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
