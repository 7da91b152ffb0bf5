from __future__ import annotations

import tomllib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import (
    DecisionOptions,
    DecisionSettings,
    GateOptions,
    GateSettings,
    KeywordOptions,
    KeywordSettings,
    Options,
    read_options,
    resolve,
)
from kws.decision.options import explain
from kws.errors import UsageError

LABELS = ("_silence_", "_unknown_", "on", "off", "stop", "computer")
SETTINGS = ", ".join(KeywordOptions.__struct_fields__)
CHOICE = "choose from on, off, stop, computer"


def read(toml: str) -> Options:
    return read_options(tomllib.loads(toml))


def settle(*layers: str) -> DecisionSettings:
    return resolve(LABELS, {f"layer {number}": read(toml) for number, toml in enumerate(layers, 1)})


def test_without_layers_all_is_built_in() -> None:
    assert resolve(LABELS, {}) == DecisionSettings(
        hop=0.05, keywords=dict.fromkeys(("on", "off", "stop", "computer"), KeywordSettings()), gate=None
    )


def test_it_reads_as_in_the_manual() -> None:
    chosen = settle("""
        [decision]
        threshold = 0.8
        hop = 0.1
        [keyword.on]
        threshold = 0.85
        patience = 2
        [gate]
        wake_words = ["computer"]
        seconds = 5
    """)
    assert chosen.hop == 0.1
    assert chosen.keywords["off"] == KeywordSettings(threshold=0.8)
    assert (chosen.keywords["on"].threshold, chosen.keywords["on"].patience) == (0.85, 2)
    assert chosen.gate == GateSettings(wake_words=("computer",), seconds=5.0, extend=False)


def test_a_later_layer_goes_before_an_earlier_and_a_keyword_before_all() -> None:
    chosen = settle(
        "[decision]\nthreshold = 0.5\nrefractory = 1\n[keyword.on]\nthreshold = 0.6\n[keyword.stop]\nthreshold = 0.65",
        "[decision]\nthreshold = 0.7\n[keyword.stop]\nthreshold = 0.75",
        "[keyword.off]\nthreshold = 0.9",
    )
    assert {keyword: each.threshold for keyword, each in chosen.keywords.items()} == {
        "on": 0.7,
        "off": 0.9,
        "stop": 0.75,
        "computer": 0.7,
    }
    assert {each.refractory for each in chosen.keywords.values()} == {1.0}


def test_a_threshold_takes_release_and_near_with_it() -> None:
    model = "[keyword.on]\nthreshold = 0.9\nrelease = 0.6\nnear = 0.75"
    on = settle(model, "[keyword.on]\nthreshold = 0.45").keywords["on"]
    assert (on.threshold, on.release, on.near) == pytest.approx((0.45, 0.3, 0.375))
    on = settle(model, "[keyword.on]\nthreshold = 0.45\nrelease = 0.4").keywords["on"]
    assert (on.threshold, on.release, on.near) == (0.45, 0.4, 0.4)


@given(thresholds=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=20), release=st.floats(0.1, 0.8) | st.just(0.8))
def test_any_threshold_may_follow_any_other(thresholds: list[float], release: float) -> None:
    chosen = resolve(LABELS, {"x": Options(decision=DecisionOptions(release=release))})
    for threshold in thresholds:
        chosen = chosen.with_threshold("on", threshold)
        on = chosen.keywords["on"]
        assert on.threshold == threshold
        assert 0 < on.release <= on.near <= threshold
        assert on.release / threshold == pytest.approx(release / 0.8)


@pytest.mark.parametrize(
    ("sensitivity", "threshold"), [(0.5, 0.5), (0.0, 1.0), (0.2, 0.8), (0.7, 0.3), (0.99, 0.01), (1.0, 0.01)]
)
def test_a_sensitivity_sets_all_thresholds(sensitivity: float, threshold: float) -> None:
    model = "[decision]\nthreshold = 0.5\nrelease = 0.3\nnear = 0.4\n[keyword.on]\nthreshold = 0.6"
    chosen = settle(model, f"[decision]\nsensitivity = {sensitivity}").keywords
    assert {word.threshold for word in chosen.values()} == {threshold}
    assert chosen["off"].release == pytest.approx(0.6 * threshold)


def test_a_threshold_goes_before_the_sensitivity_of_the_same_layer() -> None:
    text = "[decision]\nsensitivity = 0.7\n[keyword.on]\nthreshold = 0.6\n[keyword.off]\nsensitivity = 0.8"
    chosen = settle(text).keywords
    assert (chosen["on"].threshold, chosen["off"].threshold, chosen["stop"].threshold) == (0.6, 0.2, 0.3)
    assert settle("[decision]\nsensitivity = 0.7\nthreshold = 0.6").keywords["on"].threshold == 0.6
    assert settle(text, "[decision]\nsensitivity = 0.1").keywords["on"].threshold == 0.9


def test_where_a_sensitivity_was_written() -> None:
    layers = {"file": read("[decision]\nsensitivity = 0.7\n[keyword.on]\nthreshold = 0.6")}
    places = explain(LABELS, layers)[1]
    assert places["keyword.off.threshold"] == places["keyword.off.release"] == "file.decision.sensitivity"
    assert places["keyword.on.threshold"] == "file.keyword.on.threshold"


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_sensitivity_is_a_share(value: float) -> None:
    with pytest.raises(UsageError, match=rf"decision\.sensitivity: {value:g} is not within 0 to 1"):
        settle(f"[decision]\nsensitivity = {value}")


def test_a_gate_in_layers() -> None:
    gate = "[gate]\nwake_words = ['computer']\nseconds = 8"
    assert settle(gate, "[gate]\nextend = true").gate == GateSettings(
        wake_words=("computer",), seconds=8.0, extend=True
    )
    assert settle(gate, "[gate]\nwake_words = []").gate is None


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[keyword.on]\nthreshold = 1.4", "keyword.on.threshold: 1.4 is not within 0.01 to 1"),
        ("[decision]\nthreshold = 0", "decision.threshold: 0 is not within 0.01 to 1"),
        ("[decision]\nthreshold = nan", "decision.threshold: nan is not within 0.01 to 1"),
        ("[decision]\nsmoothing = inf", "decision.smoothing: inf is not within 0.01 to 5"),
        ("[decision]\npatience = 0", "decision.patience: 0 is not within 1 to 100"),
        ("[decision]\nrefractory = -1", "decision.refractory: -1 is not within 0 to 60"),
        ("[decision]\nhop = 2", "decision.hop: 2 is not within 0.01 to 0.5"),
        ("[gate]\nseconds = 0", "gate.seconds: 0 is not within 0.1 to 3600"),
        (
            "[keyword.on]\nthreshold = 0.5\nrelease = 0.6",
            "keyword.on.release: 0.6 is not above 0 and at most the threshold 0.5",
        ),
        (
            "[decision]\nrelease = 0.9",
            "decision.release: 0.9 is not above 0 and at most the threshold 0.8",
        ),
        (
            "[decision]\nnear = 0.3",
            "decision.near: 0.3 is not between the release 0.48 and the threshold 0.8",
        ),
        ("[decision]\nsmoothing = 0.02", "decision.smoothing: 0.02 is shorter than the hop of 0.05"),
        ("[keyword.stop]\nsmoothing = 0.02", "keyword.stop.smoothing: 0.02 is shorter than the hop of 0.05"),
        ("[decision]\nhop = 0.2", "keyword.on.smoothing: 0.15 is shorter than the hop of 0.2"),
        (
            "[keyword.stopp]\nthreshold = 0.5",
            f"keyword: 'stopp' is not a keyword of this model; did you mean 'stop'? {CHOICE}",
        ),
        (
            "[keyword._silence_]\nthreshold = 0.5",
            f"keyword: '_silence_' is not a keyword of this model; {CHOICE}",
        ),
        (
            "[gate]\nwake_words = ['komputer']",
            f"gate.wake_words: 'komputer' is not a keyword of this model; did you mean 'computer'? {CHOICE}",
        ),
        ("[gate]\nseconds = 5", "gate.wake_words: missing, name the keywords that open the gate"),
        (
            "[keyword.on]\ntreshold = 0.5",
            f"keyword.on: 'treshold' is not a setting; did you mean 'threshold'? choose from {SETTINGS}",
        ),
        ("[keyword.on]\nthreshold = 'high'", 'keyword.on.threshold: must be a number, not "high"'),
        ("[keyword.on]\npatience = 1.5", "keyword.on.patience: must be a whole number, not 1.5"),
        ("[keyword]\non = 0.5", "keyword.on: must be a table"),
        ("keyword = 1", "keyword: must be a table"),
        ("[gate]\nwake_words = 'computer'", 'gate.wake_words: must be a list of text, not "computer"'),
        (
            "[decisions]",
            "'decisions' is not a table; did you mean 'decision'? choose from decision, keyword, gate",
        ),
    ],
)  # fmt: skip
def test_errors_name_the_thing_and_the_mend(toml: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(LABELS, {"": read(toml)})
    assert str(raised.value) == message


def test_the_error_names_the_layer() -> None:
    layers = {"model.json": Options(), "flags": Options(decision=DecisionOptions(threshold=2.0))}
    with pytest.raises(UsageError, match=r"^flags\.decision\.threshold: 2 is not within"):
        resolve(LABELS, layers)


def test_options_and_settings_are_of_the_same_things() -> None:
    # A sensitivity sets the threshold.
    assert (*KeywordSettings.__struct_fields__, "sensitivity") == KeywordOptions.__struct_fields__
    assert GateSettings.__struct_fields__ == GateOptions.__struct_fields__
    assert set(DecisionOptions.__struct_fields__) == {"hop", "keywords", *KeywordOptions.__struct_fields__}


def test_options_go_through_json_and_back() -> None:
    layer = read("[decision]\nthreshold = 0.7\n[keyword.on]\npatience = 2\n[gate]\nwake_words = ['computer']")
    written = msgspec.json.encode(layer)
    assert (
        written == b'{"decision":{"threshold":0.7},"keyword":{"on":{"patience":2}},"gate":{"wake_words":["computer"]}}'
    )
    tables: dict[str, Any] = msgspec.json.decode(written)
    assert read_options(tables) == layer


def test_settings_check_themselves() -> None:
    for name, value in {"threshold": 1.5, "near": 0.9, "patience": 0, "quiet_margin": 0.0}.items():
        with pytest.raises(UsageError, match=f"^{name}: "):
            KeywordSettings(**{**msgspec.structs.asdict(KeywordSettings()), name: value})
    with pytest.raises(UsageError, match=r"^gate\.wake_words: 'off' is not a keyword$"):
        DecisionSettings(keywords={"on": KeywordSettings()}, gate=GateSettings(wake_words=("off",)))
    with pytest.raises(UsageError, match=r"^wake_words: names no wake word$"):
        GateSettings(wake_words=())
