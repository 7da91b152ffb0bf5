from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.audio.file import BLOCK, FileSource
from kws.errors import AudioError, OptionError
from tests.support.sounds import chunk, decoded, encoded, read, tone, wav, wav_format

STEREO = np.stack((tone(440, 16000, 2.5), tone(1000, 16000, 2.5, 0.25)), axis=1)


def refusal(path: Path, error: type[Exception] = AudioError, *, channel: int | None = None) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(error) as caught, FileSource(path, channel=channel) as source:
        for _ in source.blocks():
            pass
    message = str(caught.value)
    assert message.startswith((str(path), f"cannot read {path}", f"channel: {path}"))
    assert "\n" not in message
    return message.replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
     ("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"),
     ("OGG", "OPUS")],
)  # fmt: skip
def test_blocks_are_the_file(tmp_path: Path, form: str, subtype: str) -> None:
    path = tmp_path / "sound"
    path.write_bytes(encoded(STEREO, 16000, format=form, subtype=subtype))
    expected = decoded(path.read_bytes())
    assert expected.shape == STEREO.shape
    np.testing.assert_array_equal(read(FileSource(path)), expected.mean(axis=1))
    np.testing.assert_array_equal(read(FileSource(path, channel=2)), expected[:, 1])


def test_what_a_file_knows_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(STEREO, 16000))
    source = FileSource(str(path))
    assert source.name == str(path)
    assert not source.live
    with source:
        assert source.rate == 16000
        assert source.length == 2.5
        assert [(b.position, len(b.samples)) for b in source.blocks()] == [
            (0, BLOCK),
            (BLOCK, BLOCK),
            (2 * BLOCK, 7232),
        ]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (11025, 2), (44100, 2), (96000, 6)])
def test_any_rate_and_number_of_channels(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "sound.wav"
    frames = np.stack([tone(100 * (1 + c), rate, 0.5) for c in range(channels)], axis=1)
    soundfile.write(path, frames, rate, subtype="FLOAT")
    with FileSource(path, channel=channels) as source:
        assert source.rate == rate
        np.testing.assert_array_equal(np.concatenate([b.samples for b in source.blocks()]), frames[:, -1])
    have = "only one channel" if channels == 1 else f"{channels} channels"
    assert refusal(path, OptionError, channel=7) == f"channel: FILE has {have}, there is no channel 7"


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
def test_one_sample(tmp_path: Path, form: str) -> None:
    path = tmp_path / "sound"
    path.write_bytes(encoded(np.full(1, 0.5, np.float32), 16000, format=form))
    assert len(read(FileSource(path))) == 1


def test_a_name_like_that_of_headerless_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes(encoded(STEREO, 16000))
    assert len(read(FileSource(path))) == len(STEREO)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_nothing_stays_open(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(encoded(STEREO, 16000))
    bad.write_bytes(b"no sound")
    before = open_files()
    with FileSource(good) as source:
        next(source.blocks())
    with pytest.raises(AudioError), FileSource(bad):
        pass
    assert open_files() == before


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.wav") == "cannot read FILE: No such file or directory"
    assert refusal(tmp_path) == "cannot read FILE: Is a directory"


def test_an_unreadable_file(tmp_path: Path) -> None:
    loop = tmp_path / "loop.wav"
    loop.symlink_to(loop)
    assert refusal(loop) == "cannot read FILE: Too many levels of symbolic links"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_forbidden_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.touch(mode=0)
    assert refusal(path) == "cannot read FILE: Permission denied"


def test_what_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(b"")
    assert refusal(path) == "FILE is empty (0 bytes)"
    path.write_text("This is a text.\n" * 100)
    assert refusal(path) == "FILE is not a sound file (WAV, FLAC or Ogg)"
    path.write_bytes(encoded(STEREO, 16000)[:20])
    assert refusal(path).startswith("FILE cannot be read: ")
    path.write_bytes(wav(wav_format(rate=1), chunk(b"data", b"1234")))
    assert refusal(path) == "FILE: no recording has 1 samples per second (possible: 1000 to 768000)"


@pytest.mark.parametrize("form", ["WAV", "OGG"])
def test_no_samples(tmp_path: Path, form: str) -> None:
    path = tmp_path / "sound"
    path.write_bytes(encoded(STEREO[:0], 16000, format=form))
    assert refusal(path) == "FILE holds no sound"


def test_a_recorder_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav(wav_format(), chunk(b"data", b"1234", 0), size=0))
    assert "kws listen - < FILE" in refusal(path)


@pytest.mark.parametrize("cut", [1000, 50_001])
def test_a_wav_that_is_cut_short_is_read_to_its_end(tmp_path: Path, caplog: pytest.LogCaptureFixture, cut: int) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(STEREO, 16000)[:-cut])
    frames = len(STEREO) - -(-cut // 4)
    with caplog.at_level(logging.WARNING):
        assert len(read(FileSource(path))) == frames
    assert [record.message for record in caplog.records] == [
        f"{path} is cut short: it ends after {frames / 16000:.2f} s, its header promises 2.50 s"
    ]


@pytest.mark.parametrize("size", [0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_length_that_the_recorder_did_not_know_is_no_reason_to_warn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(wav(wav_format(), chunk(b"data", b"\0" * 2000, size)))
    assert len(read(FileSource(path))) == 1000
    assert not caplog.records


def test_a_flac_that_is_cut_short_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 80_000).astype(np.float32)
    path.write_bytes(encoded(noise, 16000, format="FLAC")[:-60_000])
    assert refusal(path).startswith("FILE is damaged or cut short at ")
    with FileSource(path) as source:
        first = next(source.blocks())
    np.testing.assert_allclose(first.samples, noise[:BLOCK], atol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_sample_that_is_no_number(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "sound.wav"
    frames = np.zeros((20_000, 2), np.float32)
    frames[19_999, 1] = bad
    soundfile.write(path, frames, 16000, subtype="FLOAT")
    assert refusal(path) == "FILE: the sample at 1.250 s is infinite or not a number"
    assert len(read(FileSource(path, channel=1))) == 20_000


def test_a_compressed_wav_is_libsndfiles_business(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(STEREO, 16000, subtype="IMA_ADPCM"))
    assert len(read(FileSource(path))) >= len(STEREO)


def test_channels_from_one() -> None:
    with pytest.raises(OptionError, match="counted from 1"):
        FileSource("x.wav", channel=0)


@pytest.mark.process
def test_without_libsndfile(tmp_path: Path) -> None:
    """soundfile raises OSError when it is imported and finds no library; so does the one that is put before it."""
    (tmp_path / "soundfile.py").write_text("raise OSError('sndfile library not found')\n")
    script = """if True:
        import sys
        from kws.errors import AudioError
        from kws.audio.file import FileSource
        try:
            FileSource(sys.argv[1]).__enter__()
        except AudioError as error:
            print(error)
        """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), *sys.path))}
    result = subprocess.run(
        [sys.executable, "-c", script, "x.wav"], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == (
        "audio files need libsndfile, which cannot be loaded (Debian: apt install libsndfile1): "
        "sndfile library not found\n"
    )


def test_a_header_with_a_wild_length_field_of_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    data = bytearray(encoded(STEREO, 16000))
    data[16:20] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(bytes(data))
    assert refusal(path).startswith("FILE")


def test_a_channel_with_opposite_polarity(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(encoded(np.outer(STEREO[:, 0], [1, -1]).astype(np.float32), 16000))
    read(FileSource(path))
    [record] = caplog.records
    assert record.message.startswith(f"{path}: its channels cancel each other")
    caplog.clear()
    read(FileSource(path, channel=1))
    assert not caplog.records
