"""The decision layer as a whole: a line of windows, and below it the letter of what must fire."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import NOTHING, Decider, Fired, GateOptions, KeywordOptions
from kws.errors import UsageError
from tests.support.examples import examples

from .spoken import EIGHTHS, HOP, LABELS, WINDOW, check, fires, posteriors, settings, step_all


def test_one_utterance_is_one_detection() -> None:
    check("""
    ....oooooooo....
        o
    """, settings())  # fmt: skip


def test_one_utterance_is_one_detection_however_long_the_score_stays_high() -> None:
    check("""
    ....oooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo
        o
    """, settings(refractory=0.2))  # fmt: skip


def test_a_word_said_again_fires_again() -> None:
    check("""
    ..oooo....oooo....oooo
      o       o       o
    """, settings())  # fmt: skip


def test_another_keyword_fires_meanwhile() -> None:
    check("""
    ..ooooffffoooo....
      o   f   o
    """, settings())  # fmt: skip


def test_a_score_that_hovers_round_the_threshold_fires_once() -> None:
    check("""
    ....565656567675745656756574....
         o
    """, settings())  # fmt: skip


def test_it_is_armed_again_below_release_and_not_at_release() -> None:
    check("""
    ..6644466..664346..
      o        o    o
    """, settings())  # fmt: skip


def test_a_score_that_never_reaches_the_threshold_never_fires() -> None:
    check("""
    ??5555555.5555.....

    """, settings())  # fmt: skip


def test_an_average_needs_all_its_windows() -> None:
    # At the beginning of a segment nothing fires because buffers are empty: four windows must have been heard.
    check("""
    oooooooo....
       o
    """, settings(smoothing=0.2))  # fmt: skip


def test_smoothing_waits_for_the_average() -> None:
    # 1, 2 and 3 of 4 windows are averages of a quarter, a half and three quarters.
    check("""
    ......oooooo......o.....oo.....oo.o..
            o                         o
    """, settings(smoothing=0.2))  # fmt: skip


def test_patience_counts_windows_in_a_row() -> None:
    check("""
    ..oo..oo.o..o.ooooo....
                    o
    """, settings(patience=3))  # fmt: skip


def test_patience_counts_windows_in_which_the_keyword_is_the_largest() -> None:
    check("""
    ..oofoofofofooooo....
                  o
    """, settings(patience=3, release=0.125, near=0.5))  # fmt: skip


def test_a_keyword_must_be_the_largest_of_all_labels() -> None:
    # A threshold below a half is reached while silence is still larger; a tie is not larger.
    check("""
    ...3334443335...
                o
    """, settings(threshold=0.375, release=0.25, near=0.25))  # fmt: skip


def test_refractory_time_is_counted_from_the_detection() -> None:
    # 0.3 s are six windows: the second word begins before and fires when they are over, the third is over by then.
    check("""
    ..oo.oooooo.....oo.oo...oo..
      o     o       o       o
    """, settings(refractory=0.3))  # fmt: skip


def test_refractory_time_ends_on_its_last_sample() -> None:
    check("""
    ..o.....o....
      o     o
    """, settings(refractory=0.3))  # fmt: skip
    check("""
    ..o.....o....
      o
    """, settings(refractory=0.3001))  # fmt: skip


def test_refractory_time_is_that_of_one_keyword() -> None:
    check("""
    ..oo..ff..oo..
      o   f
    """, settings(refractory=1.0))  # fmt: skip


def test_the_gate_is_opened_by_a_wake_word() -> None:
    check("""
    ..oo..cc..oo..ff..
          c   o   f
    """, settings(GateOptions(wake_words=("computer",))))  # fmt: skip


def test_the_gate_closes_after_its_seconds() -> None:
    # Open for 0.4 s, eight windows after the one in which the wake word fired, the eighth included.
    check("""
    ..cc......oo......oo..ff......cc.......oo..
      c       o                   c
    """, settings(GateOptions(wake_words=("computer",), seconds=0.4)))  # fmt: skip


def test_a_command_may_keep_the_gate_open() -> None:
    check("""
    ..cc......oo......ff........oo..
      c       o       f
    """, settings(GateOptions(wake_words=("computer",), seconds=0.4, extend=True)))  # fmt: skip


def test_a_command_before_the_wake_word_does_not_swallow_the_one_after_it() -> None:
    check("""
    ..oooo...cccc....oooo....
             c       o
    """, settings(GateOptions(wake_words=("computer",)), refractory=1.0))  # fmt: skip


def test_a_command_that_the_gate_kept_out_does_not_fire_late() -> None:
    # The average of "computer" stays above its release until after "on" has opened the gate.
    check("""
    ..ccoocccccc....cccc...
         o            c
    """, settings(GateOptions(wake_words=("on",)), threshold=0.5, release=0.25, smoothing=0.2))  # fmt: skip


def test_the_fired_command_names_its_wake_word() -> None:
    chosen = settings(GateOptions(wake_words=("computer", "off")))
    fired = [fired for decision in step_all(Decider(LABELS, chosen), "..cc..oo..ff..oo..") for fired in decision.fired]
    assert [(each.keyword, each.wake) for each in fired] == [
        ("computer", None),
        ("on", "computer"),
        ("off", None),
        ("on", "off"),
    ]


def test_without_a_gate_there_is_no_wake_word() -> None:
    (fired,) = (fired for decision in step_all(Decider(LABELS, settings()), "..oo..") for fired in decision.fired)
    assert fired.wake is None


def test_a_detection_says_what_where_and_how_surely() -> None:
    # The average over two windows is 5/8 and then 7/8; the posterior rose in the window before it fired.
    chosen = settings(smoothing=0.1, length=0.4)
    decisions = list(step_all(Decider(LABELS, chosen), ".........0668", first_end=160000))
    end = 160000 + 11 * HOP
    assert decisions[11].fired == (Fired(keyword="on", score=0.75, start=end - HOP - 6400, end=end),)
    assert [bool(decision) for decision in decisions] == [window == 11 for window in range(13)]


def test_the_start_is_one_word_before_the_posterior_rose() -> None:
    # It rose in window 4 and fired in window 7, with patience.
    chosen = settings(patience=4, length=0.3)
    decisions = list(step_all(Decider(LABELS, chosen), "....oooooo"))
    assert decisions[7].fired[0].start == WINDOW + 4 * HOP - round(0.3 * 16000)


def test_the_start_lies_in_the_window_and_so_in_the_segment() -> None:
    # The score crept up over 30 windows: the word is still somewhere in the last second.
    chosen = settings(patience=1, length=1.0)
    decisions = list(step_all(Decider(LABELS, chosen), "5" * 30 + "8"))
    assert decisions[30].fired[0].start == decisions[30].fired[0].end - WINDOW
    decisions = list(step_all(Decider(LABELS, chosen), "8", first_end=48000))
    assert decisions[0].fired[0].start == 48000 - WINDOW


def test_the_start_of_the_second_word_is_its_own() -> None:
    chosen = settings(smoothing=0.2, release=0.6, near=0.6, length=0.2)
    heard = "....oooooo..oooooo"  # the average falls to a half between them
    fired = [fired for decision in step_all(Decider(LABELS, chosen), heard) for fired in decision.fired]
    assert [each.start for each in fired] == [WINDOW + 4 * HOP - 3200, WINDOW + 12 * HOP - 3200]


def test_each_keyword_has_its_own_settings() -> None:
    check("""
    ...ooooooffffffooooo....
       o       f   o
    """, settings(keyword={"off": KeywordOptions(smoothing=0.2)}))  # fmt: skip
    check("""
    ..ooffooooffff....
      o   o     f
    """, settings(keyword={"off": KeywordOptions(patience=3)}))  # fmt: skip


def test_two_words_that_fire_in_the_same_window_both_do() -> None:
    # Only keywords with different smoothing can: each is the largest of its own averages.
    chosen = settings(threshold=0.5, keyword={"off": KeywordOptions(smoothing=0.2)})
    fired = [decision.fired for decision in step_all(Decider(LABELS, chosen), ".fffo")]
    assert [[each.keyword for each in together] for together in fired] == [[], [], [], ["off"], ["on"]]
    chosen = settings(threshold=0.75, keyword={"off": KeywordOptions(smoothing=0.2)})
    fired = [decision.fired for decision in step_all(Decider(LABELS, chosen), "fffo")]
    assert [[each.keyword for each in together] for together in fired] == [[], [], [], ["on", "off"]]


def test_a_new_threshold_keeps_the_state() -> None:
    decider = Decider(LABELS, settings())
    assert [bool(decision.fired) for decision in step_all(decider, ".oo")] == [False, True, False]  # and held
    decider.set_threshold("on", 0.5)  # and release moves from a half to a third
    assert decider.settings.keywords["on"].threshold == 0.5
    assert decider.settings.keywords["off"].threshold == 0.75
    heard = "883333552255.."
    later = step_all(decider, heard, first_end=WINDOW + 3 * HOP)
    assert [bool(decision.fired) for decision in later] == [window == 10 for window in range(len(heard))]


def test_a_new_threshold_that_cannot_be_changes_nothing() -> None:
    decider = Decider(LABELS, settings())
    with pytest.raises(UsageError, match=r"^keyword.on.threshold: 1.5 is not within 0.01 to 1$"):
        decider.set_threshold("on", 1.5)
    with pytest.raises(UsageError, match=r"^keyword.onn: not a keyword; choose from on, off, computer$"):
        decider.set_threshold("onn", 0.5)
    assert decider.settings == settings()


@examples(200)
@given(
    heard=st.text(EIGHTHS + ".?f", max_size=40),
    smoothing=st.sampled_from([0.05, 0.1, 0.2, 0.4]),
    threshold=st.sampled_from([0.3, 0.5, 0.75]),
)
def test_what_is_not_urgent_cannot_fire_in_the_windows_that_wait(
    heard: str, smoothing: float, threshold: float
) -> None:
    chosen = settings(smoothing=smoothing, threshold=threshold, release=0.6 * threshold, near=0.8 * threshold)
    decider = Decider(LABELS, chosen)
    heard_so_far = [(bool(decision.fired), decider.urgent) for decision in step_all(decider, heard)]
    for window, (_, urgent) in enumerate(heard_so_far):
        following = heard_so_far[window + 1 : window + 1 + decider.delay]
        assert urgent or not any(fired for fired, _ in following)


def test_it_is_urgent_until_the_keyword_has_fired_and_then_until_it_may_fire_again() -> None:
    decider = Decider(LABELS, settings(smoothing=0.2, threshold=0.75, release=0.5))
    heard = "......ooooooooo......"
    urgent = "".join(".u"[decider.urgent] for _ in step_all(decider, heard))
    # An average of four windows comes to three quarters with the third; two can wait. Before four windows were
    # heard no average is known, and the last "u" is where it falls below the release threshold.
    assert decider.delay == 2
    assert urgent == "uuu...uu.........u..."
    assert fires(heard, decider.settings) == "        o"


def test_a_word_that_waits_for_the_quiet_after_it_is_urgent() -> None:
    chosen = settings(quiet_after=0.2, quiet_margin=30, length=0.2)
    decider = Decider(LABELS, chosen)
    heard, sound = ".............oooooo....", "----------######-------"
    assert "".join(".u"[decider.urgent] for _ in step_all(decider, heard, sound)) == ".............uuuuuu...."
    assert fires(heard, chosen, sound) == "                   o"


def test_reset_arms_every_keyword_and_empties_every_buffer() -> None:
    decider = Decider(LABELS, settings(smoothing=0.2, refractory=5.0))
    before = [bool(decision.fired) for decision in step_all(decider, "oooo")]
    assert decider.reset() == NOTHING
    after = [bool(decision.fired) for decision in step_all(decider, "oooo", first_end=500_000)]
    assert before == after == [False, False, False, True]


def test_reset_closes_the_gate() -> None:
    decider = Decider(LABELS, settings(GateOptions(wake_words=("computer",), seconds=60)))
    assert any(decision.fired for decision in step_all(decider, ".cc."))
    decider.reset()
    assert not any(decision.fired for decision in step_all(decider, ".oo.", first_end=WINDOW + 4 * HOP))


def test_a_window_left_out_is_a_defect_of_the_caller() -> None:
    decider = Decider(LABELS, settings())
    row = posteriors(".")[0]
    decider.step(row, WINDOW)
    with pytest.raises(ValueError, match="a window ends at 17600, the one before at 16000"):
        decider.step(row, WINDOW + 2 * HOP)
    decider.reset()
    decider.step(row, WINDOW + 2 * HOP)


def test_the_settings_must_be_for_the_models_keywords() -> None:
    with pytest.raises(ValueError, match=r"the keywords are \['on'\]"):
        Decider(("_silence_", "_unknown_", "on"), settings())


def test_what_is_no_number_is_not_heard_and_leaves_no_trace() -> None:
    decider = Decider(LABELS, settings(smoothing=0.2))
    nothing = np.full(len(LABELS), np.nan, np.float32)
    assert [decider.step(nothing, WINDOW + window * HOP) for window in range(4)] == [NOTHING] * 4
    later = step_all(decider, "oooo", first_end=WINDOW + 4 * HOP)
    assert [bool(decision.fired) for decision in later] == [False, False, True, False]
