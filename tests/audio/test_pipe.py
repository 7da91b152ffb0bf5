from __future__ import annotations

import logging
import os
import pty
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.pipe import PipeSource
from kws.errors import AudioError, KwsError, OptionError, UsageError
from kws.types import Float32Array
from tests.support.sounds import (
    amplitude,
    chunk,
    decoded,
    descriptor,
    encoded,
    joined,
    read,
    tone,
    trickling,
    wav,
    wav_format,
)

STEREO = np.stack((tone(440, 16000, 1.5), tone(1000, 16000, 1.5, 0.25)), axis=1)
RAW = np.arange(-3000, 3000, dtype="<i2")
#: Sizes as one writes them who does not know the length: GStreamer and others, SoX, arecord twice, ffmpeg.
UNKNOWN = [0, 0x7FFFF000, 0x7FFFFF00, 0x80000000, 0xFFFFFFFF]


def hear(data: bytes, **options: Any) -> tuple[Float32Array, PipeSource]:
    """The whole sound of a stream of these bytes, and its source."""
    with descriptor(data) as stream:
        source = PipeSource(stream, **options)
        return read(source), source


def refusal(data: bytes | int, error: type[KwsError] = AudioError, **options: Any) -> str:
    """The one line with which a stream is refused."""
    with ExitStack() as stack:
        stream = stack.enter_context(descriptor(data)) if isinstance(data, bytes) else data
        with pytest.raises(error) as caught:
            read(PipeSource(stream, **options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@contextmanager
def pipe() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The two ends of a pipe; a reader that waits for what does not come is woken by its end after 10 s."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as writer:
        timer = Timer(10, writer.close)
        timer.start()
        try:
            yield reader, writer
        finally:
            timer.cancel()
            timer.join()


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX", "RF64"])
def test_wav_is_heard_as_libsndfile_hears_it(subtype: str, form: str) -> None:
    data = encoded(STEREO, 44100, format=form, subtype=subtype)
    expected = decoded(data)
    samples, source = hear(data)
    np.testing.assert_array_equal(samples[: len(STEREO)], expected.mean(axis=1))
    assert source.rate == 44100
    np.testing.assert_array_equal(hear(data, channel=2)[0][: len(STEREO)], expected[:, 1])


@given(data=st.data())
def test_the_cuts_of_the_stream_do_not_matter(data: st.DataObject) -> None:
    bits, tag = data.draw(st.sampled_from([(8, 1), (16, 1), (24, 1), (32, 1), (32, 3), (64, 3)]))
    channels = data.draw(st.integers(1, 6))
    frames = data.draw(st.integers(1, 50))
    rng = np.random.default_rng(frames)
    body = (
        rng.integers(0, 256, frames * channels * bits // 8, np.uint8).tobytes()
        if tag == 1
        else rng.uniform(-1, 1, frames * channels).astype(f"<f{bits // 8}").tobytes()
    )
    size = data.draw(st.sampled_from([None, *UNKNOWN]))
    stream = wav(
        chunk(b"LIST", b"odd"), wav_format(channels=channels, bits=bits, tag=tag), b"data", chunk(b"", body, size)
    )
    stream = stream if len(body) % 2 == 0 or size is None else stream[:-1]
    with trickling(lambda: data.draw(st.integers(1, 40))):
        samples, _ = hear(stream)
    expected = decoded(wav(wav_format(channels=channels, bits=bits, tag=tag), chunk(b"data", body)))
    np.testing.assert_array_equal(samples, expected.mean(axis=1))


@pytest.mark.parametrize("size", UNKNOWN)
def test_a_length_that_the_writer_did_not_know_means_until_the_end(size: int, caplog: pytest.LogCaptureFixture) -> None:
    samples, source = hear(wav(wav_format(), chunk(b"data", RAW.tobytes(), size)))
    assert len(samples) == len(RAW)
    assert source.length is None
    assert not caplog.records


def test_a_length_that_the_header_knows_ends_the_sound(caplog: pytest.LogCaptureFixture) -> None:
    data = wav(wav_format(), chunk(b"data", RAW.tobytes()), chunk(b"LIST", b"title" * 9999))
    with descriptor(data) as stream:
        source = PipeSource(stream)
        np.testing.assert_array_equal(read(source), RAW / np.float32(32768))
        assert os.read(stream, 1) == b""
    assert source.length == len(RAW) / 16000
    assert not caplog.records


def test_a_second_wav_is_not_heard(caplog: pytest.LogCaptureFixture) -> None:
    one = wav(wav_format(), chunk(b"data", RAW.tobytes()))
    assert len(hear(one + one)[0]) == len(RAW)
    assert [r.message for r in caplog.records] == ["standard input: a second WAV follows the first and is not heard"]


def test_a_wav_that_is_cut_short(caplog: pytest.LogCaptureFixture) -> None:
    data = wav(wav_format(channels=2), chunk(b"data", RAW.tobytes()))
    with caplog.at_level(logging.WARNING):
        assert len(hear(data[:-4001])[0]) == 1999
    assert [r.message for r in caplog.records] == [
        "standard input ended within a frame: its last 3 bytes were dropped",
        "standard input is cut short: it ended after 0.12 s of 0.19 s",
    ]


@pytest.mark.parametrize(
    ("sample_format", "dtype", "scale"), [(None, "<i2", 2**15), ("s16le", "<i2", 2**15), ("s32le", "<i4", 2**31)]
)
def test_headerless_integers(sample_format: str | None, dtype: str, scale: int) -> None:
    values = np.array([[-(2**15), 2**14], [0, 1], [2**14, 2**14]], dtype) * (scale // 2**15)
    samples, source = hear(values.tobytes(), rate=22050, channels=2, sample_format=sample_format)
    assert samples.tolist() == [-0.25, 2**-16, 0.5]
    assert source.rate == 22050
    assert source.length is None


def test_headerless_floats() -> None:
    values = np.array([0.5, -1.5, 0.25], "<f4")
    assert hear(values.tobytes(), rate=16000, sample_format="f32le")[0].tolist() == [0.5, -1.5, 0.25]


def test_a_channel_with_opposite_polarity(caplog: pytest.LogCaptureFixture) -> None:
    data = np.outer(STEREO[:, 0], [1, -1]).astype("<f4").tobytes()
    hear(data, rate=16000, channels=2, sample_format="f32le")
    [record] = caplog.records
    assert record.message.startswith("standard input: its channels cancel each other")
    caplog.clear()
    hear(data, rate=16000, channels=2, sample_format="f32le", channel=1)
    assert not caplog.records


def test_a_last_frame_that_is_not_whole(caplog: pytest.LogCaptureFixture) -> None:
    assert len(hear(RAW.tobytes() + b"123", rate=16000, channels=2)[0]) == len(RAW) // 2
    assert [r.message for r in caplog.records] == ["standard input ended within a frame: its last 3 bytes were dropped"]


def test_one_sample() -> None:
    assert hear(b"\0\x40", rate=16000)[0].tolist() == [0.5]
    assert hear(wav(wav_format(), chunk(b"data", b"\0\x40")))[0].tolist() == [0.5]


def test_a_sample_far_beyond_full_scale() -> None:
    samples = np.zeros(1000, "<f4")
    samples[800] = -1e25
    message = refusal(samples.tobytes(), rate=16000, sample_format="f32le")
    assert message == "standard input: the sample at 0.050 s is -1e+25, far beyond full scale (1.0)"
    assert hear(np.array([2**31], np.float32).tobytes(), rate=16000, sample_format="f32le")[0] == [2**31]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("header", [b"", wav(wav_format(bits=32, tag=3)) + b"data\xff\xff\xff\xff"])
def test_a_sample_that_is_no_number(bad: float, header: bytes) -> None:
    samples = np.zeros(20_000, "<f4")
    samples[16_016] = bad
    options: Any = {} if header else {"rate": 16000, "sample_format": "f32le"}
    message = refusal(header + samples.tobytes(), **options)
    assert message == "standard input: the sample at 1.001 s is infinite or not a number"


def test_sound_is_handed_on_as_it_comes() -> None:
    with pipe() as (reader, writer):
        writer.write(wav(wav_format(channels=2)) + b"data\0\0\0\x80" + RAW[:101].tobytes())
        with PipeSource(reader.fileno()) as source:
            assert source.live
            blocks = source.blocks()
            first = next(blocks)
            assert len(first.samples) == 50
            writer.write(RAW[101:200].tobytes())
            second = next(blocks)
            assert len(second.samples) == 50
            writer.close()
            assert list(blocks) == []
    expected = RAW[:200].reshape(-1, 2).mean(axis=1) / 32768
    np.testing.assert_allclose(joined([first, second]), expected, atol=1e-7)


def test_a_file_on_standard_input_is_not_live(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(STEREO, 16000))
    with path.open("rb") as stream:
        source = PipeSource(stream.fileno())
        assert not source.live  # known before it is opened: its detections may wait for any publisher
        assert len(read(source)) == len(STEREO)
        assert not source.live
        assert source.length == 1.5
        assert not stream.closed


def test_a_path_is_opened_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "sound.pcm"
    path.write_bytes(RAW.tobytes())
    source = PipeSource(path, rate=16000, name=str(path))
    assert len(read(source)) == len(RAW)
    assert not source.live
    for name, reason in (("none", "No such file or directory"), ("", "Is a directory")):
        with pytest.raises(AudioError, match=f"^cannot read pipe: {reason}$"):
            read(PipeSource(tmp_path / name, rate=16000, name="pipe"))


def test_what_nothing_tells_the_format_of() -> None:
    assert refusal(RAW.tobytes(), OptionError) == (
        "rate: is missing; standard input is not WAV, and headerless sound needs its samples per second"
    )


@pytest.mark.parametrize(("form", "name"), [("FLAC", "FLAC"), ("OGG", "Ogg"), ("AIFF", "AIFF"), ("AU", "AU")])
def test_files_of_other_kinds(form: str, name: str) -> None:
    data = encoded(STEREO, 16000, format=form)
    assert refusal(data).startswith(f"standard input is {name}, which cannot be piped")
    assert refusal(data, OptionError, rate=16000).startswith(
        f"rate: standard input is {name}, not headerless; leave out rate"
    )


def test_wav_is_not_taken_for_headerless() -> None:
    assert refusal(encoded(STEREO, 16000), OptionError, rate=16000).startswith("rate: standard input is WAV, not")


@pytest.mark.parametrize(
    ("data", "rate"),
    [(b"", None), (b"", 16000), (b"1", 16000), (wav(wav_format(), chunk(b"data", b"")), None),
     (wav(wav_format(), chunk(b"data", b"", 0xFFFFFFFF)), None), (wav(wav_format(), chunk(b"data", b"", 8)), None)],
)  # fmt: skip
def test_no_sound_at_all(data: bytes, rate: int | None) -> None:
    assert refusal(data, rate=rate) == "standard input ended before any sound came"


def test_wav_that_cannot_be_read() -> None:
    assert refusal(encoded(STEREO, 16000, subtype="ULAW")) == (
        "standard input is WAV mu-law, which cannot be piped; give the name of the file, or pipe 16-bit PCM"
    )
    assert refusal(encoded(STEREO, 16000, subtype="MS_ADPCM")).startswith("standard input is WAV MS ADPCM, which")
    assert refusal(encoded(STEREO, 16000, subtype="IMA_ADPCM")).startswith("standard input is WAV IMA ADPCM, which")
    assert refusal(wav(wav_format(bits=64), chunk(b"data", b""))).startswith("standard input is WAV 64-bit PCM, which")
    assert refusal(wav(wav_format(tag=0x161), chunk(b"data", b""))).startswith("standard input is WAV of format 0x0161")
    assert refusal(wav(wav_format(rate=3), chunk(b"data", b"12"))).startswith(
        "standard input: no recording has 3 samples per second"
    )
    assert refusal(wav(wav_format())) == "standard input: the WAV ends before the sound begins"
    assert refusal(encoded(STEREO, 16000), OptionError, channel=3) == (
        "channel: standard input has 2 channels, there is no channel 3"
    )


def test_a_stream_that_breaks(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with os.fdopen(os.dup(2), "rb", closefd=True) as stream:
        os.dup2(descriptor, stream.fileno())
        assert refusal(stream.fileno()) == "cannot read standard input: Is a directory"
    os.close(descriptor)


def test_a_terminal() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "rb", buffering=0) as stream:
        assert refusal(stream.fileno(), UsageError).startswith(
            "standard input is a terminal; pipe sound into it: arecord"
        )
    os.close(ours)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": 2}, "rate: is missing; headerless sound needs its samples per second"),
        ({"sample_format": "s16le"}, "rate: is missing; headerless sound needs its samples per second"),
        ({"rate": 0}, "rate: 0: must be from 1000 to 768000 samples per second"),
        ({"rate": 16000, "sample_format": "mp3"}, "sample_format: 'mp3' is not one of s16le, s32le, f32le"),
        ({"rate": 16000, "channels": 0}, "channels: 0: must be from 1 to 1024"),
        ({"rate": 16000, "channel": 2}, "channel: standard input has only one channel, there is no channel 2"),
        (
            {"rate": 16000, "channels": 2, "channel": 3},
            "channel: standard input has 2 channels, there is no channel 3",
        ),
        ({"channel": 0}, "channel: 0: channels are counted from 1"),
    ],
)
def test_options_that_cannot_be(options: dict[str, int | str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        PipeSource(0, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


@given(st.binary(max_size=300), st.sampled_from([None, 16000]))
def test_garbage_is_an_error_for_users_at_worst(data: bytes, rate: int | None) -> None:
    with suppress(KwsError):
        hear(data, rate=rate)
    with suppress(KwsError):
        hear(wav(wav_format()) + data, rate=rate)


@pytest.mark.parametrize("during", ["the header", "the sound"])
def test_an_interrupt_ends_it_while_nothing_comes(during: str) -> None:
    with pipe() as (reader, writer):
        source = PipeSource(reader.fileno(), rate=16000)
        if during == "the sound":
            writer.write(RAW.tobytes())
            with source:
                blocks = source.blocks()
                heard = sum(len(next(blocks).samples) for _ in range(2))
                Timer(0.2, source.interrupt).start()
                assert list(blocks) == []
            assert heard == len(RAW)
        else:
            Timer(0.2, source.interrupt).start()
            with pytest.raises(AudioError), source:
                pass
        assert not writer.closed  # which would have ended it too


def test_a_fifo_without_a_writer_can_be_interrupted(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    source = PipeSource(tmp_path / "fifo", rate=16000)
    Timer(0.2, source.interrupt).start()
    with pytest.raises(AudioError), source:
        pass


@pytest.mark.skipif(shutil.which("sox") is None, reason="needs sox")
@pytest.mark.parametrize("encoding", [("-b", "16"), ("-b", "24"), ("-b", "8"), ("-e", "float", "-b", "32")])
@pytest.mark.process
def test_what_sox_pipes(encoding: tuple[str, ...]) -> None:
    command = ["sox", "-V1", "-n", "-r", "22050", "-c", "2", *encoding, "-t", "wav", "-", "synth", "1", "sine", "1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as sox:
        assert sox.stdout is not None
        source = PipeSource(sox.stdout.fileno())
        samples = read(source)
    assert len(samples) == 22050
    assert source.rate == 22050
    assert source.length is None
    assert amplitude(samples, 1000, 22050) == pytest.approx(0.705, abs=0.01)  # synth is 3 dB below full scale


@pytest.mark.skipif(shutil.which("arecord") is None, reason="needs arecord")
@pytest.mark.process
def test_what_arecord_pipes() -> None:
    """ALSA's null device is silent and faster than time."""
    command = ["arecord", "-q", "-D", "null", "-t", "wav", "-f", "S16_LE", "-r", "16000", "-c", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as arecord:
        assert arecord.stdout is not None
        with PipeSource(arecord.stdout.fileno()) as source:
            assert (source.rate, source.length, source.live) == (16000, None, True)
            heard = 0
            for block in source.blocks():
                assert block.position == heard
                heard += len(block.samples)
                if heard > 100_000:
                    break
        arecord.terminate()
