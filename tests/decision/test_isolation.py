"""A word on its own and a word in flowing speech, told apart by the sound around it.

The second line is the level of each window's newest hop: ``#`` loud, ``=`` 20 dB and ``-`` 40 dB below it.
"""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import Decider, GateOptions, Reason
from kws.decision.isolation import Isolation

from .spoken import HOP, LABELS, WINDOW, check, fires, settings, step_all

BEFORE = settings(quiet_before=0.2, quiet_margin=30, length=0.2, smoothing=0.05)
AFTER = settings(quiet_after=0.2, quiet_margin=30, length=0.2, smoothing=0.05)


def test_a_word_on_its_own_fires() -> None:
    check("""
    .............oooooo....
    ----------####---------
                 o
    """, BEFORE)  # fmt: skip


def test_a_word_in_speech_does_not() -> None:
    check("""
    .............oooooo....
    ---##########----------

    """, BEFORE)  # fmt: skip


def test_a_gap_between_words_is_shorter_than_quiet() -> None:
    # Four hops of quiet are asked for: three are a pause in speech.
    check("""
    .............oooooo....
    ---####---####---------

    """, BEFORE)  # fmt: skip
    check("""
    .............oooooo....
    --####----####---------
                 o
    """, BEFORE)  # fmt: skip


def test_a_word_may_be_a_little_longer_than_thought() -> None:
    # It is thought to begin four hops before its posterior rose, and may have begun three before that.
    check("""
    .............oooooo....
    -------#######---------
                 o
    """, BEFORE)  # fmt: skip
    check("""
    .............oooooo....
    ------########---------

    """, BEFORE)  # fmt: skip


def test_quiet_is_relative_to_the_word() -> None:
    # A loud room, 20 dB below the word.
    check("""
    .............oooooo....
    ==========####=========

    """, BEFORE)  # fmt: skip
    check("""
    .............oooooo....
    ==========####=========
                 o
    """, settings(quiet_before=0.2, quiet_margin=20, length=0.2))  # fmt: skip


def test_what_came_before_the_first_window_counts_as_quiet() -> None:
    check("""
    ..oooooo....
    ###---------
      o
    """, BEFORE)  # fmt: skip


def test_a_word_in_speech_does_not_swallow_the_next_one() -> None:
    # No refractory time for what did not fire, only the release.
    check("""
    ..........oooo........oooo....
    ---###########-----####-------
                          o
    """, settings(quiet_before=0.2, quiet_margin=30, length=0.2, refractory=2.0))  # fmt: skip


def test_quiet_after_the_word_postpones_the_decision() -> None:
    # The word is over when it fires, and four hops of quiet are asked for.
    check("""
    .............oooooo......
    ----------###------------
                    o
    """, AFTER)  # fmt: skip


def test_the_end_of_the_word_may_follow_a_little_later() -> None:
    check("""
    .............oooooo......
    ----------######---------
                       o
    """, AFTER)  # fmt: skip


def test_speech_that_goes_on_after_the_word_keeps_it_from_firing() -> None:
    heard = ".............oooooo........."
    sound = "----------###############---"
    assert fires(heard, AFTER, sound) == ""
    (miss,) = (miss for each in step_all(Decider(LABELS, AFTER), heard, sound) for miss in each.near_misses)
    assert (miss.reason, miss.end) == (Reason.NOT_ISOLATED, WINDOW + 13 * HOP)


def test_it_waits_no_longer_than_the_quiet_and_a_little_lasts() -> None:
    heard = ".............oooooo..........."
    sounds = {"----------#######-------------": "fired", "----------########------------": "near_misses"}
    for sound, outcome in sounds.items():
        decisions = list(step_all(Decider(LABELS, AFTER), heard, sound))
        assert [window for window, decision in enumerate(decisions) if decision] == [20]  # four and three after 13
        assert len(getattr(decisions[20], outcome)) == 1


def test_a_word_that_waited_in_vain_has_no_refractory_time() -> None:
    check("""
    .....ooo.........ooo.........
    ---#########----##-----------
                         o
    """, settings(quiet_after=0.2, quiet_margin=30, length=0.1, refractory=5.0))  # fmt: skip


def test_levels_are_kept_for_as_long_as_the_longest_word_needs_them() -> None:
    # A word of 1 s and a little more, 23 hops, and before it two hops of quiet, or four.
    chosen = settings(quiet_before=0.2, quiet_margin=30, length=1.0)
    check("""
    ..................................oo
    ##########--#######################-

    """, chosen)  # fmt: skip
    check("""
    ..................................oo
    ########----#######################-
                                      o
    """, chosen)  # fmt: skip


def test_positions_of_a_postponed_detection_are_exact() -> None:
    decisions = list(step_all(Decider(LABELS, AFTER), ".............oooooo......", "----------###------------"))
    (fired,) = decisions[16].fired
    assert fired.end == WINDOW + 16 * HOP  # heard until then
    assert fired.start == WINDOW + 13 * HOP - 3200  # as it would have been without the wait
    assert sum(len(decision.fired) for decision in decisions) == 1
    assert not any(decision.near_misses for decision in decisions)


def test_refractory_time_counts_from_before_the_wait() -> None:
    # The second word is seven hops after the first, the wait notwithstanding.
    chosen = settings(quiet_after=0.2, quiet_margin=30, length=0.1, refractory=0.35)
    check("""
    .....oo.....oo.........
    ---##-----##-----------
            o      o
    """, chosen)  # fmt: skip


def test_the_segment_ends_before_the_quiet_was_heard() -> None:
    decider = Decider(LABELS, AFTER)
    heard, sound = ".............oo", "----------###--"
    assert not any(step_all(decider, heard, sound))
    (miss,) = decider.reset().near_misses
    assert miss.reason is Reason.NOT_ISOLATED


def test_the_gate_opens_for_a_wake_word_on_its_own_only() -> None:
    gate = GateOptions(wake_words=("computer",))
    chosen = settings(gate, quiet_before=0.2, quiet_margin=30, length=0.2)
    check("""
    .............cccc..........oooo....
    ---##########-----------###--------

    """, chosen)  # fmt: skip
    check("""
    .............cccc..........oooo....
    ----------###-----------###--------
                 c             o
    """, chosen)  # fmt: skip


def test_isolation_needs_levels() -> None:
    with pytest.raises(ValueError, match="each window needs its level"):
        list(step_all(Decider(LABELS, BEFORE), "..."))


LEVEL = st.integers(-90, 0).map(float)


@given(
    levels=st.lists(st.sampled_from([-60.0, -20.0]), min_size=1, max_size=40),
    before=st.integers(1, 6),
    slack=st.integers(0, 3),
    data=st.data(),
)
def test_quiet_before_is_what_it_says(levels: list[float], before: int, slack: int, data: st.DataObject) -> None:
    word = data.draw(st.integers(1, len(levels)))
    isolation = Isolation(before=before, after=0, slack=slack, margin=30.0)
    heard = [-inf] * before + levels  # what came before counts as quiet
    limit = max(heard[-word:]) - 30.0
    expected = any(
        all(level <= limit for level in heard[first - before : first]) and heard[first] > limit
        for first in range(max(before, len(heard) - word - slack), len(heard))
    )
    assert isolation.quiet_before(levels, word) == expected


@given(levels=st.lists(LEVEL, min_size=8, max_size=40), gain=LEVEL, before=st.integers(0, 4))
def test_gain_does_not_matter(levels: list[float], gain: float, before: int) -> None:
    isolation = Isolation(before=before, after=2, slack=1, margin=10.0)
    louder = [level + gain for level in levels]
    assert isolation.quiet_before(levels, 4) == isolation.quiet_before(louder, 4)
    assert isolation.limit(louder, 4) == isolation.limit(levels, 4) + gain
