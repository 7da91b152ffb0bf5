from __future__ import annotations

from typing import Any

import pytest

from kws.decision import recommended
from kws.errors import ModelError
from kws.features.front_end import LOG_MEL
from kws.inference.model import Description
from kws.types import SILENCE, UNKNOWN


def description(decision: dict[str, Any]) -> Description:
    labels = (SILENCE, UNKNOWN, "on", "off")
    return Description(
        format=1, name="test", version="1", labels=labels, front_end=LOG_MEL, sha256={}, decision=decision
    )


def test_the_settings_that_a_model_recommends() -> None:
    assert recommended(description({"keyword": {"on": {"threshold": 0.7}}})).keyword["on"].threshold == 0.7


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        ({"decision": {"threshold": 2}}, "decision.threshold: 2 is not within 0.01 to 1"),
        ({"keyword": {"in": {}}}, "keyword: 'in' is not a keyword of this model; choose from on, off"),
        ({"threshold": 1}, "'threshold' is not a table; choose from decision, keyword, gate"),
        ({"decision": 5}, "decision: must be a table"),
        (
            {"decision": {"hop": 0.033}},
            "a hop of 0.033 s is no multiple of the front-end's step of 0.01 s; the nearest are 0.03 s and 0.04 s",
        ),
    ],
)
def test_settings_that_a_model_cannot_recommend(decision: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        recommended(description(decision))
    assert str(caught.value) == f"model test: {problem}"
