"""The options of the decision layer, as users and models write them: partial, and in layers.

A layer is three tables, in TOML or in ``model.json`` alike::

    [decision]              # every keyword, and the hop
    threshold = 0.5
    [keyword.on]            # one keyword
    threshold = 0.6
    [gate]
    wake_words = ["computer"]
    seconds = 5

:func:`read_options` makes a layer of such tables, :func:`resolve` makes settings of layers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from kws.common.names import composed
from kws.common.tables import check_known, inside, read_table
from kws.decision.settings import (
    HOP,
    DecisionSettings,
    GateSettings,
    KeywordSettings,
    check_ranges,
    table_of,
    threshold_at,
)
from kws.errors import OptionError
from kws.types import SILENCE, UNKNOWN


def _compose(options: msgspec.Struct, field: str) -> None:
    """Write the keywords in a field as labels are written, see :func:`~kws.common.tables.composed`."""
    if words := getattr(options, field):
        msgspec.structs.force_setattr(options, field, tuple(map(composed, words)))


class KeywordOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table of one keyword: see :class:`~kws.decision.settings.KeywordSettings`; None is not said.

    Attributes:
        sensitivity: 0 to 1; stands for a threshold of 1 less this where the table sets no threshold.
    """

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
    speech_margin: float | None = None
    score_scale: tuple[float, float] | None = None
    sensitivity: float | None = None


class DecisionOptions(KeywordOptions, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table ``decision``: for every keyword whose own table does not say otherwise.

    Attributes:
        hop: seconds from one window to the next.
        keywords: the keywords to listen for; None for all of the model.
    """

    hop: float | None = None
    keywords: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _compose(self, "keywords")


class GateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The table ``gate``: see :class:`~kws.decision.settings.GateSettings`; no wake words at all is no gate."""

    wake_words: tuple[str, ...] | None = None
    seconds: float | None = None
    extend: bool | None = None

    def __post_init__(self) -> None:
        _compose(self, "wake_words")


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One layer."""

    decision: DecisionOptions = DecisionOptions()
    keyword: dict[str, KeywordOptions] = {}
    gate: GateOptions = GateOptions()


def read_options(tables: Mapping[str, Any]) -> Options:
    """Return the layer that parsed TOML or JSON stands for.

    Args:
        tables: some of ``decision``, ``keyword`` and ``gate``, and nothing else.

    Raises:
        OptionError: an unknown name or a value of the wrong type.
    """
    return read_table(tables, Options, "table")


def resolve(labels: Collection[str], layers: Mapping[str, Options], enrolled: Collection[str] = ()) -> DecisionSettings:
    """Return the settings of every keyword, from the built-in defaults and the layers over them.

    A later layer goes before an earlier one; within a layer a keyword's own table goes before ``decision``. So
    ``decision.threshold`` in a configuration overrides what a model recommends for single keywords.

    Args:
        labels: the model's labels; all but silence and unknown are keywords.
        layers: by the path of each, with which the fields of its errors begin (``model.json``, ``source[2]``, empty for
            none), lowest first.
        enrolled: the labels that are enrolled words, the last ones. ``decision.keywords`` does not switch them off.

    Raises:
        OptionError: a value that cannot be, or a keyword that the model does not have.
    """
    return explain(labels, layers, enrolled)[0]


def explain(
    labels: Collection[str], layers: Mapping[str, Options], enrolled: Collection[str] = ()
) -> tuple[DecisionSettings, dict[str, str]]:
    """Return what :func:`resolve` does, and where each setting that is not built in was written.

    Returns:
        The settings; and for the path of each setting, ``keyword.on.release``, the path of what it comes from,
        ``source[2].decision.threshold``.
    """
    keywords = [label for label in labels if label not in (SILENCE, UNKNOWN)]
    settings = dict.fromkeys(keywords, KeywordSettings())
    hop, listened = HOP, tuple(keywords)
    gate: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for place, layer in layers.items():
        with inside(place):
            _check(layer, keywords)
    try:
        for place, layer in layers.items():
            start = f"{place}." if place else ""
            common = _written(layer.decision, f"{start}decision")
            if "hop" in common:
                hop, origins["decision.hop"] = common.pop("hop")
            if "keywords" in common:
                listened, origins["decision.keywords"] = common.pop("keywords")
            for key, (value, path) in _written(layer.gate, f"{start}gate").items():
                gate[key], origins[f"gate.{key}"] = value, path
            for keyword in keywords:
                table = table_of(keyword)
                written = common | _written(layer.keyword.get(keyword, KeywordOptions()), f"{start}{table}")
                said = {key: value for key, (value, _) in written.items()}
                places = {key: path for key, (_, path) in written.items()}
                if "threshold" in places:  # moves the other two with it
                    places = {"release": places["threshold"], "near": places["threshold"], **places}
                origins |= {f"{table}.{key}": path for key, path in places.items()}
                with inside(table):
                    settings[keyword] = settings[keyword].override(**said)
        off = frozenset(keywords) - {*listened, *enrolled}
        decision = DecisionSettings(
            hop=hop, keywords=settings, gate=_gate(gate, off), off=off, enrolled=frozenset(enrolled)
        )
    except OptionError as error:
        raise OptionError(origins.get(error.field, error.field), error.problem) from None
    return decision, origins


def _gate(said: dict[str, Any], off: Collection[str]) -> GateSettings | None:
    """Return the gate, if there are wake words. An empty list means no gate; a missing one is a mistake."""
    if said and "wake_words" not in said:
        raise OptionError("gate.wake_words", "missing, name the keywords that open the gate")
    for word in said.get("wake_words", ()):
        if word in off:
            raise OptionError("gate.wake_words", f"{word!r} is switched off by decision.keywords")
    return GateSettings(**said) if said.get("wake_words") else None


def _written(table: msgspec.Struct, path: str) -> dict[str, tuple[Any, str]]:
    """Return the settings that a table sets, each with its value and its path. A sensitivity sets the threshold."""
    options = msgspec.structs.asdict(table)
    written = {key: (value, f"{path}.{key}") for key, value in options.items() if value is not None}
    sensitivity, place = written.pop("sensitivity", (None, ""))
    if sensitivity is not None:
        written.setdefault("threshold", (threshold_at(sensitivity), place))
    return written


def check_values(layer: Options) -> None:
    """Check each value of a layer by itself.

    Raises:
        OptionError: one is out of its range.
    """
    tables = {"decision": layer.decision, "gate": layer.gate}
    tables |= {table_of(keyword): options for keyword, options in layer.keyword.items()}
    for path, table in tables.items():
        with inside(path):
            check_ranges(table)


def _check(layer: Options, keywords: Collection[str]) -> None:
    """Check a layer by itself."""
    with inside("keyword"):
        check_known(layer.keyword, keywords, "keyword of this model")
    with inside("gate.wake_words"):
        check_known(layer.gate.wake_words or (), keywords, "keyword of this model")
    with inside("decision.keywords"):
        check_known(layer.decision.keywords or (), keywords, "keyword of this model")
    check_values(layer)
