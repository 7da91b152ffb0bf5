"""``kws mix``: a labelled stream from clips of words, for ``kws evaluate stream``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import soundfile

from kws.cli.flags import add_folders, add_number, check_snr, names, progress_bar
from kws.errors import UsageError
from kws.evaluation.labels import write_labels
from kws.evaluation.mix import Clip, Stream, find_clips, find_noise, find_talk, mix

_EXAMPLES = """\
  kws mix speech_commands/validation --noise noise --out stream.flac
  kws mix my_words --words yes,no --count 50 --noise noise --noise-only rain,dishes --snr 5 --out rain.wav
  kws mix my_words --talk librispeech --talk-snr 15 --out talk.flac
  kws mix my_words --clean --gap 0.4:1 --seed 7 --out quick.wav
  kws evaluate stream stream.flac stream.tsv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="clips of single words: DIR/WORD/*.wav, .flac or .ogg"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the stream to write, 16 kHz, .wav or .flac"
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="start, end and word of each (default: as --out, in .tsv)"
    )
    words = parser.add_argument_group("words")
    words.add_argument("--words", metavar="A,B,...", help="the words to take (default: every folder)")
    words.add_argument("--count", type=int, metavar="N", help="clips of each word (default: all, each once)")
    words.add_argument(
        "--gap",
        default="1:3",
        metavar="S:S",
        help="seconds from the end of a word to the start of the next, least and most (default: %(default)s)",
    )
    noise = parser.add_argument_group("noise")
    add_folders(noise, "--noise", "recordings of noise")
    noise.add_argument("--noise-only", metavar="A,B,...", help="of these, only such folders or files")
    add_folders(noise, "--speech", "talk that takes turns with the noise")
    add_number(noise, "--snr", 10.0, "from each word to the noise under it, root mean squares", "DB")
    add_folders(
        noise,
        "--talk",
        "speech that runs under all words, besides the noise or alone; recordings whose transcript has one of the "
        "words are left out",
    )
    add_number(noise, "--talk-snr", 20.0, "from the words to the talk as a whole, root mean squares", "DB")
    noise.add_argument("--clean", action="store_true", help="no noise at all, each clip as loud as it was recorded")
    add_number(parser, "--seed", 0, "another one makes another stream", "N")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    _check(options)
    gap = _gap(options.gap)
    clips = find_clips(options.folders, names(options.words, "--words"))
    backgrounds = []
    if options.noise:
        backgrounds.append(find_noise(options.noise, names(options.noise_only, "--noise-only")))
    if options.speech:
        backgrounds.append(find_noise(options.speech))
    with progress_bar("Mixing") as progress:
        stream = mix(
            clips,
            backgrounds=backgrounds,
            snr=options.snr,
            talk=find_talk(options.talk, {clip.word for clip in clips}) if options.talk else (),
            talk_snr=options.talk_snr,
            gap=gap,
            count=options.count,
            seed=options.seed,
            progress=progress,
        )
    labels = options.labels or options.out.with_suffix(".tsv")
    _write(options.out, stream)
    write_labels(labels, stream.labels)
    _note_shortage(clips, options.count)
    seconds = len(stream.samples) / 16000
    print(f"{options.out}: {seconds:.1f} s with {len(stream.labels)} words; labels in {labels}", file=sys.stderr)
    return 0


def _check(options: argparse.Namespace) -> None:
    if options.out.suffix.lower() not in (".wav", ".flac"):
        raise UsageError(f"--out {options.out}: the name must end in .wav or .flac")
    if options.clean and (options.noise or options.speech or options.talk):
        raise UsageError("--clean asks for no noise; leave out --noise, --speech and --talk")
    if not (options.clean or options.noise or options.speech or options.talk):
        raise UsageError("say what lies under the words: --noise DIR, --speech DIR, --talk DIR or --clean")
    if options.noise_only and not options.noise:
        raise UsageError("--noise-only chooses among the recordings of --noise; name a folder there")
    if options.count is not None and options.count < 1:
        raise UsageError(f"--count {options.count}: at least 1")
    check_snr(options.snr)
    check_snr(options.talk_snr, "--talk-snr")
    if options.seed < 0:
        raise UsageError(f"--seed {options.seed}: at least 0")


def _gap(text: str) -> tuple[float, float]:
    least, _, most = text.partition(":")
    try:
        return float(least), float(most or least)
    except ValueError:
        raise UsageError(f"--gap {text}: give seconds, least and most: 1:3") from None


def _write(path: Path, stream: Stream) -> None:
    try:
        with path.open("wb") as file:
            soundfile.write(file, stream.samples, 16000, format=path.suffix[1:].upper(), subtype="PCM_16")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _note_shortage(clips: list[Clip], count: int | None) -> None:
    fewer = {word: n for word, n in Counter(clip.word for clip in clips).items() if count and n < count}
    if fewer:
        print(f"fewer than {count} clips: {', '.join(f'{word} {n}' for word, n in fewer.items())}", file=sys.stderr)
