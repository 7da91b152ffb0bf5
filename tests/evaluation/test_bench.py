from __future__ import annotations

from pathlib import Path

import pytest

from kws.decision import DecisionSettings, KeywordSettings
from kws.errors import KwsError
from kws.evaluation.bench import measure
from kws.evaluation.bench_process import measure_process
from kws.inference.model import Model


def test_every_part_has_its_cost(model_folder: Path) -> None:
    model = Model(model_folder)
    # Quiet around a word needs the level of every window.
    keywords = dict.fromkeys(model.description.keywords, KeywordSettings(quiet_before=0.2))
    cost = measure(model, DecisionSettings(hop=0.1, keywords=keywords), seconds=2, runs=2)
    assert list(cost.parts) == [
        "source", "resampling", "windows", "front-end", "network", "decision", "publishing",
    ]  # fmt: skip
    assert all(seconds > 0 for part, seconds in cost.parts.items() if part != "front-end")  # a difference of two
    assert cost.total == pytest.approx(sum(cost.parts.values()))
    assert 0 < cost.window_median <= cost.window_99
    assert 10e6 < cost.memory < 10e9
    assert 0 < cost.file < 1


@pytest.mark.process
def test_a_process_of_its_own(model_folder: Path) -> None:
    process = measure_process(["--model", str(model_folder), "--hop", "0.1"], hop=0.1, seconds=2, runs=1)
    assert 0 < process.start_up_processor < process.start_up
    assert 0 < process.speech < 1
    assert 0 < process.silence < 1
    assert 10e6 < process.memory < 1e9


@pytest.mark.process
def test_a_process_that_does_not_start(model_folder: Path) -> None:
    with pytest.raises(KwsError, match=r"kws listen did not start: kws: --threads 0: from 1 to 256"):
        measure_process(["--model", str(model_folder), "--threads", "0"], hop=0.1, seconds=2, runs=1)
