"""What people and models say about decisions: partial, in layers, and exact about what is wrong with it.

A layer is three tables, in TOML or in ``model.json`` alike::

    [decision]              # every keyword, and the hop
    threshold = 0.8
    [keyword.on]            # one keyword
    threshold = 0.85
    [gate]
    wake_words = ["computer"]
    seconds = 5

:func:`read_options` makes a layer of such tables, :func:`resolve` makes settings of layers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from kws.common.tables import check_known, inside, read_table
from kws.decision.settings import (
    HOP,
    DecisionSettings,
    GateSettings,
    KeywordSettings,
    SettingError,
    check_ranges,
    prefix,
    table_of,
)
from kws.errors import UsageError
from kws.types import SILENCE, UNKNOWN


class KeywordOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table of one keyword: see :class:`~kws.decision.settings.KeywordSettings`; None is not said."""

    threshold: float | None = None
    release: float | None = None
    near: float | None = None
    smoothing: float | None = None
    patience: int | None = None
    refractory: float | None = None
    length: float | None = None
    quiet_before: float | None = None
    quiet_after: float | None = None
    quiet_margin: float | None = None
    speech_before: float | None = None


class DecisionOptions(KeywordOptions, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table ``decision``: what holds for every keyword that does not say otherwise, and the hop in seconds."""

    hop: float | None = None


class GateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table ``gate``: see :class:`~kws.decision.settings.GateSettings`; no wake words at all is no gate."""

    wake_words: tuple[str, ...] | None = None
    seconds: float | None = None
    extend: bool | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One layer."""

    decision: DecisionOptions = DecisionOptions()
    keyword: dict[str, KeywordOptions] = {}
    gate: GateOptions = GateOptions()


def read_options(tables: Mapping[str, Any], source: str) -> Options:
    """A layer from parsed TOML or JSON.

    Args:
        tables: some of ``decision``, ``keyword`` and ``gate``, and nothing else.
        source: the name of the file, for errors.

    Raises:
        UsageError: an unknown name or a value of the wrong kind, with its path.
    """
    return read_table(tables, Options, source, "table")


def resolve(labels: Collection[str], layers: Mapping[str, Options]) -> DecisionSettings:
    """The settings of every keyword, from the built-in defaults and the layers over them.

    A later layer goes before an earlier one; within a layer a keyword's own table goes before ``decision``. So
    ``decision.threshold`` in a configuration overrides what a model recommends for single keywords.

    Args:
        labels: the model's labels; all but silence and unknown are keywords.
        layers: by the place that errors name (``model.json``, ``kws.toml``, ``command line``), lowest first.

    Raises:
        UsageError: a value that cannot be, or a keyword that the model does not have, with its layer and path.
    """
    return explain(labels, layers)[0]


def explain(labels: Collection[str], layers: Mapping[str, Options]) -> tuple[DecisionSettings, dict[str, str]]:
    """What :func:`resolve` does, and where the value of each setting was written that is not built in.

    Returns:
        The settings; and by the path of each setting, ``keyword.on.release``, the place of what it comes from,
        ``kws.toml: decision.threshold``.
    """
    keywords = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    settings = dict.fromkeys(keywords, KeywordSettings())
    hop = HOP
    gate: dict[str, Any] = {}
    origins: dict[str, str] = {}
    try:
        for source, layer in layers.items():
            _check(source, layer, keywords)
            common = _said(layer.decision)
            if "hop" in common:
                hop = common.pop("hop")
                origins["decision.hop"] = inside(source, "decision.hop")
            gate |= _said(layer.gate)
            origins |= {f"gate.{key}": inside(source, f"gate.{key}") for key in _said(layer.gate)}
            for keyword in keywords:
                own = _said(layer.keyword.get(keyword, KeywordOptions()))
                said = {**common, **own}
                places = {
                    key: inside(source, f"{table_of(keyword)}.{key}" if key in own else f"decision.{key}")
                    for key in said
                }
                if "threshold" in said:  # moves the other two with it
                    places = {"release": places["threshold"], "near": places["threshold"], **places}
                origins |= {f"{table_of(keyword)}.{key}": place for key, place in places.items()}
                with prefix(table_of(keyword)):
                    settings[keyword] = settings[keyword].override(**said)
        return DecisionSettings(hop=hop, keywords=settings, gate=_gate(gate)), origins
    except SettingError as error:
        raise UsageError(f"{origins.get(error.key, error.key)}: {error.problem}") from None


def _gate(said: dict[str, Any]) -> GateSettings | None:
    """The gate, where there are wake words. Words that were never named are a slip; an empty list is a wish."""
    if said and "wake_words" not in said:
        raise SettingError("gate.wake_words", "missing, name the keywords that open the gate")
    return GateSettings(**said) if said.get("wake_words") else None


def _said(table: msgspec.Struct) -> dict[str, Any]:
    """What a table says, without what it leaves open."""
    return {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}


def check_values(source: str, layer: Options) -> None:
    """Whether each value of a layer can be, by itself.

    Raises:
        SettingError: one cannot, with its path.
    """
    tables = {"decision": layer.decision, "gate": layer.gate}
    tables |= {table_of(keyword): options for keyword, options in layer.keyword.items()}
    for path, table in tables.items():
        with prefix(inside(source, path)):
            check_ranges(_said(table))


def _check(source: str, layer: Options, keywords: Collection[str]) -> None:
    """Whether a layer can be, by itself."""
    check_known(layer.keyword, keywords, inside(source, "keyword"), "keyword of this model")
    check_known(layer.gate.wake_words or (), keywords, inside(source, "gate.wake_words"), "keyword of this model")
    check_values(source, layer)
