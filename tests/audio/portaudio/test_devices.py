from __future__ import annotations

import pytest

from kws.audio.portaudio.devices import Device, choose, stable_names
from kws.errors import AudioError, UsageError


def device(index: int, name: str, system_name: str = "", *, default: bool = False) -> Device:
    return Device(name=name, system_name=system_name or name, index=index, channels=2, rate=44100, is_default=default)


DEVICES = [
    device(0, "HDA Intel PCH: ALC257 Analog, ALSA", "HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA"),
    device(2, "USB PnP Sound Device: Audio, ALSA", "USB PnP Sound Device: Audio (hw:1,0), ALSA"),
    device(5, "default, ALSA", default=True),
    device(6, "sysdefault, ALSA"),
    device(9, "7, ALSA"),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (None, 5),
        ("USB PnP Sound Device: Audio, ALSA", 2),
        ("USB PnP Sound Device: Audio (hw:1,0), ALSA", 2),
        ("USB PnP Sound Device: Audio", 2),
        ("usb pnp", 2),
        ("hw:0,0", 0),
        ("default", 5),  # a whole name, though a part of another
        ("sysdef", 6),
        ("2", 2),
        (2, 2),
        (0, 0),
        ("7", 9),  # a name before an index
    ],
)
def test_the_one_that_is_meant(wanted: str | int | None, index: int) -> None:
    assert choose(wanted, DEVICES).index == index


@pytest.mark.parametrize("wanted", ["Jabra", "11", 11, -1, "", " "])
def test_none_is_meant(wanted: str | int) -> None:
    with pytest.raises(UsageError) as caught:
        choose(wanted, DEVICES)
    assert str(caught.value) == (
        f'no microphone is called "{wanted}"; there are "HDA Intel PCH: ALC257 Analog, ALSA", '
        '"USB PnP Sound Device: Audio, ALSA", "default, ALSA", "sysdefault, ALSA", "7, ALSA"'
    )


def test_a_name_may_be_composed_or_decomposed() -> None:
    devices = [*DEVICES, device(12, "K\N{LATIN SMALL LETTER U WITH DIAERESIS}che, ALSA")]
    for wanted in ("K\N{LATIN SMALL LETTER U WITH DIAERESIS}che", "Ku\N{COMBINING DIAERESIS}che"):
        assert choose(wanted, devices).index == 12


def test_several_may_be_meant() -> None:
    with pytest.raises(UsageError) as caught:
        choose("DEF", DEVICES)
    assert (
        str(caught.value)
        == '"DEF" may be any of "default, ALSA", "sysdefault, ALSA"; give more of the name, or the index'
    )


def test_there_is_none() -> None:
    for wanted in (None, "usb", 0):
        with pytest.raises(AudioError, match=r"^there is no microphone; plug one in.*\(group audio\)$"):
            choose(wanted, [])
    with pytest.raises(AudioError, match=r'^no microphone is the default; name one of "sysdefault, ALSA"$'):
        choose(None, DEVICES[3:4])


def test_names_lose_their_card_number_unless_they_need_it() -> None:
    names = [
        ("USB Mic: Audio (hw:2,0)", "ALSA"),
        ("Twin: Audio (hw:3,0)", "ALSA"),
        ("Twin: Audio (hw:4,0)", "ALSA"),
        ("default", "ALSA"),
        ("default", "OSS"),
        ("Array (hw:x)", "ALSA"),
    ]
    assert stable_names(names) == [
        "USB Mic: Audio, ALSA",
        "Twin: Audio (hw:3,0), ALSA",
        "Twin: Audio (hw:4,0), ALSA",
        "default, ALSA",
        "default, OSS",
        "Array (hw:x), ALSA",
    ]
