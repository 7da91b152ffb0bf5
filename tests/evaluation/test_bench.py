"""The cost of each part, with a clock that the test sets."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from kws.decision import DecisionSettings, KeywordSettings
from kws.evaluation import bench
from kws.inference.model import Model


def test_every_part_has_its_cost(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call number n takes n seconds; the median of two runs, for each of two seconds of sound."""
    calls = 0

    def processor_seconds(part: Callable[[], object]) -> float:
        nonlocal calls
        part()
        calls += 1
        return float(calls)

    monkeypatch.setattr(bench, "processor_seconds", processor_seconds)
    model = Model(model_folder)
    # Quiet around a word needs the level of every window.
    keywords = dict.fromkeys(model.description.keywords, KeywordSettings(quiet_before=0.2))
    cost = bench.measure(model, DecisionSettings(hop=0.1, keywords=keywords), seconds=2, runs=2)
    # Each part is timed in two calls. The front-end's time includes that of the windows, which is subtracted.
    assert cost.parts == {
        "source": 0.75, "resampling": 1.75, "windows": 2.75, "front-end": 3.75 - 2.75, "network": 4.75,
        "decision": 5.75, "publishing": 6.75,
    }  # fmt: skip
    assert list(cost.parts) == ["source", "resampling", "windows", "front-end", "network", "decision", "publishing"]
    assert cost.total == sum(cost.parts.values())
    assert cost.file == 7.75
    assert 0 < cost.window_median <= cost.window_99
    assert cost.memory <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
