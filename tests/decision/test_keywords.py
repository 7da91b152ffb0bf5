"""Keywords that are switched off: the network still hears them, and nothing comes of it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from kws.decision import Decider, Decision, DecisionOptions, DecisionSettings, GateOptions, Options, resolve
from kws.errors import OptionError

from .spoken import HOP, LABELS, WINDOW, check, posteriors, settings, step_all


def listening_for(*keywords: str) -> DecisionSettings:
    return settings(keywords=keywords)


def near_misses(decisions: Iterable[Decision]) -> list[str]:
    return [miss.keyword for decision in decisions for miss in decision.near_misses]


def test_a_keyword_that_is_off_does_not_fire() -> None:
    check("""
    ..oooo....ffff....cccc..
              f
    """, listening_for("off"))  # fmt: skip


def test_none_at_all_is_a_choice() -> None:
    chosen = listening_for()
    assert chosen.listened == ()
    decider = Decider(LABELS, chosen)
    assert not any(step_all(decider, "..oooo....ffff....cccc.." + "6666.."))
    assert not decider.reset()


def test_it_does_not_come_near_either() -> None:
    heard = "..5555.." * 2
    assert near_misses(step_all(Decider(LABELS, settings()), heard)) == ["on", "on"]
    assert near_misses(step_all(Decider(LABELS, listening_for("off", "computer")), heard)) == []


def test_the_network_still_hears_it() -> None:
    """A window in which a keyword that is off is the likelier one is none of another keyword's."""
    rows = posteriors("....")
    rows[1:, LABELS.index("off")], rows[1:, LABELS.index("on")] = 0.52, 0.48
    chosen = settings(threshold=0.4, release=0.3, near=0.4, keywords=("on",))
    decider = Decider(LABELS, chosen)
    decisions = [decider.step(row, WINDOW + window * HOP) for window, row in enumerate(rows)]
    assert not any(decision.fired for decision in decisions)


def test_it_is_switched_between_two_windows() -> None:
    decider, fired = Decider(LABELS, settings()), []
    for window, row in enumerate(posteriors("oo.." * 6)):
        if window in (4, 14):
            decider.set_keyword("on", on=window == 14)  # the second time in the middle of a word
        fired += [window for _ in decider.step(row, WINDOW + window * HOP).fired]
    assert fired == [0, 16, 20]
    assert decider.settings.listened == ("on", "off", "computer")


@pytest.mark.parametrize("picture", ["ooo", "555"])
def test_what_is_under_way_is_dropped(picture: str) -> None:
    """A word that waits for the quiet after it, and one that came near."""
    decider = Decider(LABELS, settings(quiet_after=0.2))
    rows = posteriors("." + picture + "......")
    for window, row in enumerate(rows):
        if window == 3:
            decider.set_keyword("on", on=False)
        decision = decider.step(row, WINDOW + window * HOP, -20.0 if 0 < window < 4 else -60.0)
        assert not decision
    assert decider.idle
    assert not decider.reset()


def test_other_keywords_keep_their_state() -> None:
    one, other = Decider(LABELS, settings()), Decider(LABELS, settings())
    for window, row in enumerate(posteriors("..fff.oooff..f")):
        other.set_keyword("computer", on=window % 2 == 0)
        end = WINDOW + window * HOP
        assert one.step(row, end) == other.step(row, end)


def test_there_must_be_such_a_keyword() -> None:
    with pytest.raises(OptionError, match=r"decision\.keywords: 'onn' is not a keyword of this model; did you mean"):
        listening_for("onn")
    with pytest.raises(OptionError, match=r"keyword\.onn: not a keyword; choose from on, off, computer"):
        Decider(LABELS, settings()).set_keyword("onn", on=True)


def test_a_wake_word_must_be_listened_for() -> None:
    with pytest.raises(OptionError, match=r"gate\.wake_words: 'computer' is switched off by decision\.keywords"):
        settings(GateOptions(wake_words=("computer",)), keywords=("on",))


def test_a_later_layer_says_it_anew() -> None:
    model = Options(decision=DecisionOptions(keywords=("on", "off")))
    user = Options(decision=DecisionOptions(keywords=("computer",)))
    assert resolve(LABELS, {"model.json": model, "": Options()}).listened == ("on", "off")
    assert resolve(LABELS, {"model.json": model, "": user}).listened == ("computer",)
