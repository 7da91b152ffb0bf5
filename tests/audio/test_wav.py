from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kws.audio.wav import WavHeader, is_wav, read_header
from kws.errors import AudioError
from tests.support.sounds import GUID_TAIL, chunk, wav, wav_format


def header(data: bytes) -> WavHeader:
    return read_header(BytesIO(data).read, name="x")


def test_every_field() -> None:
    data = wav(wav_format(rate=44100, channels=2, bits=24), chunk(b"data", b"\1" * 12))
    assert header(data) == WavHeader(rate=44100, channels=2, format_tag=1, sample_bytes=3, data_start=44, data_bytes=12)
    assert header(data).encoding == "s24le"
    assert header(data).frame_bytes == 6


@pytest.mark.parametrize(
    ("bits", "tag", "encoding"),
    [(8, 1, "u8"), (12, 1, "s16le"), (16, 1, "s16le"), (20, 1, "s24le"), (24, 1, "s24le"), (32, 1, "s32le"),
     (32, 3, "f32le"), (64, 3, "f64le"), (8, 7, None), (64, 1, None)],
)  # fmt: skip
@pytest.mark.parametrize("extensible", [False, True])
def test_encodings(bits: int, tag: int, encoding: str | None, extensible: bool) -> None:
    data = wav(wav_format(bits=bits, tag=tag, extensible=extensible), chunk(b"data", b"\0" * 8))
    assert header(data).encoding == encoding
    assert header(data).format_tag == tag


def test_24_bits_in_a_container_of_32() -> None:
    data = wav(wav_format(bits=24, container=4, extensible=True), chunk(b"data", b"\0" * 8))
    assert header(data).encoding == "s32le"


def test_an_unknown_guid_is_no_encoding() -> None:
    data = wav(wav_format(extensible=True), chunk(b"data", b"\0" * 8)).replace(GUID_TAIL, b"\7" * 14)
    assert header(data).encoding is None


def test_other_chunks_are_skipped_with_their_padding() -> None:
    plain = wav(wav_format(), chunk(b"data", b"12"))
    data = wav(chunk(b"LIST", b"odd"), wav_format(), chunk(b"bext", b"\0" * 100_001), chunk(b"data", b"12"))
    assert header(data).data_start == len(data) - 2
    assert header(data).encoding == header(plain).encoding


def test_a_long_format_chunk() -> None:
    long = chunk(b"fmt ", wav_format()[8:] + b"\0" * 3000)
    assert header(wav(long, chunk(b"data", b"12"))).rate == 16000


@pytest.mark.parametrize("size", [0, 0x7FFF0000, 0x7FFFF000, 0x7FFFFF00, 0x80000000, 0xFFFFFFFF])
def test_a_length_that_the_writer_did_not_know(size: int) -> None:
    assert header(wav(wav_format(), chunk(b"data", b"12", size))).data_bytes is None


def test_rf64_takes_its_length_from_elsewhere() -> None:
    data = wav(chunk(b"ds64", b"\0" * 28), wav_format(), chunk(b"data", b"12", 0xFFFFFFFF), magic=b"RF64")
    assert is_wav(data[:12])
    assert header(data).data_bytes is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x is not WAV"),
        (b"RIFF\0\0\0\0AVI more", "x is not WAV"),
        (wav(), "ends before the sound begins"),
        (wav(wav_format()), "ends before the sound begins"),
        (wav(wav_format())[:30], "ends before the sound begins"),
        (wav(chunk(b"LIST", b"short", 0xFFFFFFFF)), "ends before the sound begins"),
        (wav(chunk(b"data", b"12"), wav_format()), "does not say its format"),
        (wav(wav_format(channels=0), chunk(b"data", b"")), "0 channels with 16 bits in 0 bytes makes no sense"),
        (wav(wav_format(bits=32, container=2), chunk(b"data", b"")), "32 bits in 2 bytes makes no sense"),
    ],
)
def test_what_is_no_wav(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        header(data)


@given(st.binary(max_size=200))
@example(b"fmt \x10\0\0\0" + b"\xff" * 16 + b"data\0\0\0\0")
def test_garbage_is_an_audio_error_at_worst(data: bytes) -> None:
    with suppress(AudioError):
        header(b"RIFF\0\0\0\0WAVE" + data)


@given(st.integers(0, 43))
def test_a_header_cut_anywhere_is_an_audio_error(size: int) -> None:
    with pytest.raises(AudioError):
        header(wav(wav_format(), chunk(b"data", b"12"))[:size])
