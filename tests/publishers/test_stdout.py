from __future__ import annotations

import io
import json
import math

import pytest

from kws.publishers.base import PublishError
from kws.publishers.stdout import LineOptions, LinePublisher
from tests.support.publishers import detection


def test_a_line_for_each_detection() -> None:
    stream = io.StringIO()
    publisher = LinePublisher(stream=stream)
    publisher.publish(detection("on"), math.inf)
    publisher.publish(detection("off"), math.inf)
    publisher.close()
    assert [json.loads(line)["keyword"] for line in stream.getvalue().splitlines()] == ["on", "off"]


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    LinePublisher(LineOptions(format="text")).publish(detection(), math.inf)
    assert capsys.readouterr().out == "   12.30 s  on  97%\n"


def test_a_stream_that_is_gone_is_said() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(PublishError, match="cannot be written"):
        LinePublisher(stream=stream).publish(detection(), math.inf)
