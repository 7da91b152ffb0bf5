"""The table ``exec``, apart from what runs commands: every command reads the table, few run any."""

from __future__ import annotations

from typing import Annotated

import msgspec

#: The values of a detection that a command may have.
FIELDS = ("keyword", "score", "start", "end", "time", "model", "wake", "site")


class ExecOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``exec``.

    Attributes:
        command: for keywords without an entry in ``commands``: a line, which is split as a shell would split it, or a
            list of arguments. ``{keyword}``, ``{score}`` and the other :data:`FIELDS` are replaced by their values.
        commands: by keyword.
        shell: run commands with ``/bin/sh -c``; values are then in the environment only (``$KWS_KEYWORD``).
        timeout: seconds after which a command is ended.
        at_once: commands that run at the same time at most; a detection waits for one of them to end.
        max_age: seconds that a detection waits at most.
    """

    command: str | tuple[str, ...] | None = None
    commands: dict[str, str | tuple[str, ...]] = {}
    shell: bool = False
    timeout: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 10.0
    at_once: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    max_age: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
