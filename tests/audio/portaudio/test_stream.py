from __future__ import annotations

import pytest

from kws.audio.portaudio.devices import Device
from kws.audio.portaudio.stream import channels_to_open, choose_rate
from kws.errors import AudioError

DEVICE = Device(name="x", system_name="x", index=0, channels=2, rate=48000, is_default=True)


@pytest.mark.parametrize(
    ("available", "channel", "opened"),
    [(1, None, 1), (2, None, 2), (2, 1, 2), (6, 3, 6), (8, None, 8), (32, None, 2), (32, 1, 2), (32, 2, 2),
     (128, 5, 5)],
)  # fmt: skip
def test_channels_that_are_opened(available: int, channel: int | None, opened: int) -> None:
    assert channels_to_open(DEVICE._replace(channels=available), channel) == opened


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
