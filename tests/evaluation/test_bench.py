from __future__ import annotations

from pathlib import Path

import pytest

from kws.decision import DecisionSettings, KeywordSettings
from kws.evaluation.bench import measure
from kws.model import Model


def test_every_part_has_its_cost(model_folder: Path) -> None:
    model = Model(model_folder)
    # Quiet around a word needs the level of every window.
    keywords = dict.fromkeys(model.description.keywords, KeywordSettings(quiet_before=0.2))
    cost = measure(model, DecisionSettings(hop=0.1, keywords=keywords), seconds=2, runs=2)
    assert list(cost.parts) == ["resampling", "front-end", "network", "decision"]
    assert all(seconds > 0 for seconds in cost.parts.values())
    assert cost.total == pytest.approx(sum(cost.parts.values()))
    assert 0 < cost.window_median <= cost.window_99
    assert 10e6 < cost.memory < 10e9
