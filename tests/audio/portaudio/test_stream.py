from __future__ import annotations

import itertools

import numpy as np
import pytest

from kws.audio.microphone import block_seconds
from kws.audio.portaudio.devices import Device
from kws.audio.portaudio.stream import (
    LATENESS,
    MAX_BLOCK_BYTES,
    USUAL_LATENESS,
    USUAL_RATES,
    channels_to_open,
    choose_rate,
    cut,
)
from kws.audio.resample import Resampler
from kws.errors import AudioError
from kws.types import AudioBlock

DEVICE = Device(name="x", system_name="x", index=0, channels=2, rate=48000, is_default=True)


@pytest.mark.parametrize(
    ("available", "channel", "opened"),
    [(1, None, 1), (2, None, 2), (2, 1, 2), (6, 3, 6), (8, None, 8), (32, None, 2), (32, 1, 2), (32, 2, 2),
     (128, 5, 5)],
)  # fmt: skip
def test_channels_that_are_opened(available: int, channel: int | None, opened: int) -> None:
    assert channels_to_open(DEVICE._replace(channels=available), channel) == opened


@pytest.mark.parametrize(
    ("rate", "channels", "block", "late", "cut_into"),
    [(16000, 2, 0.12, False, (1920, 0)), (48000, 2, 0.12, False, (5760, 0)), (48000, 2, 0.12, True, (5760, 3600)),
     (48000, 2, 0.01, True, (480, 240)), (96000, 2, 0.12, True, (11520, 3840)), (48000, 8, 0.12, True, (2880, 720)),
     (48000, 32, 0.12, False, (960, 0)), (8000, 1, 1e-5, True, (1, 0))],
)  # fmt: skip
def test_blocks(rate: int, channels: int, block: float, late: bool, cut_into: tuple[int, int]) -> None:
    assert cut(rate, channels, block=block, late=late) == cut_into
    assert 4 * channels * cut_into[0] <= MAX_BLOCK_BYTES


@pytest.mark.parametrize("rate", [22050, 32000, 44100, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("hop", [0.02, 0.06, 0.1, 0.12, 0.3])
def test_no_window_waits_for_another_block_though_the_sound_is_resampled(rate: int, hop: float) -> None:
    frames, left_out = cut(rate, 1, block=block_seconds(hop), late=True)
    lateness = USUAL_LATENESS if rate in USUAL_RATES else LATENESS
    resampler, heard = Resampler(rate), 0
    ends = range(frames - left_out, 20 * rate, frames)
    for begin, end in itertools.pairwise([0, *ends]):
        for block in resampler.push(AudioBlock(np.zeros(end - begin, np.float32), begin)):
            heard = block.end
        due = int((end / rate - lateness) / hop + 0.001)  # windows that ended by then; a sample is less than the 0.001
        assert heard >= due * round(16000 * hop)


class Hardware:
    """Stands for python-sounddevice with a device that has only these rates, as bare hardware does."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *rates: int) -> None:
        self._rates = rates

    def check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self._rates:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")


@pytest.mark.parametrize(
    ("wanted", "rates", "chosen"),
    [([16000, 48000], (16000, 48000), 16000), ([16000, 48000], (44100, 48000), 48000),
     ([44100], (16000, 44100, 48000), 44100)],
)  # fmt: skip
def test_the_first_rate_that_the_device_has(wanted: list[int], rates: tuple[int, ...], chosen: int) -> None:
    assert choose_rate(Hardware(*rates), DEVICE, 2, wanted) == chosen


@pytest.mark.parametrize(("wanted", "tried"), [([16000, 48000], "16000 or 48000"), ([44100], "44100")])
def test_rates_that_the_device_has_not(wanted: list[int], tried: str) -> None:
    with pytest.raises(AudioError) as caught:
        choose_rate(Hardware(8000), DEVICE, 2, wanted)
    assert str(caught.value) == (
        f"x cannot be opened at {tried} samples per second: Invalid sample rate [PaErrorCode -9997]"
    )
