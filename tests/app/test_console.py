"""The output of ``kws listen``."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from kws.app.console import ConsoleObserver
from kws.types import AudioBlock

RATE = 16000


def listen(observer: ConsoleObserver, seconds: int, level: float = 0.0) -> None:
    """Let an observer follow so many seconds of one sample, or of noise."""
    rng = np.random.default_rng(1)
    observer.opened("desk", "USB Audio", RATE)
    for second in range(seconds):
        observer.sound("desk", AudioBlock((rng.normal(0, level, RATE)).astype(np.float32), second * RATE))


def test_a_muted_microphone_is_reported_within_seconds_and_not_again_each_second(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observer = ConsoleObserver("json", microphone=True)
    with caplog.at_level(logging.WARNING, "kws"):
        listen(observer, 6)
        assert caplog.messages == ["USB Audio delivers nothing but zeros; is it muted?"]
        listen(observer, 6)
    assert len(caplog.messages) == 1


@pytest.mark.parametrize(("microphone", "level"), [(True, 1e-4), (False, 0.0)])
def test_a_quiet_microphone_and_a_silent_recording_are_not(
    caplog: pytest.LogCaptureFixture, microphone: bool, level: float
) -> None:
    with caplog.at_level(logging.WARNING, "kws"):
        listen(ConsoleObserver("json", microphone=microphone), 60, level)
    assert not caplog.messages
