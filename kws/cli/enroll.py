"""``kws enroll``: learn a word from about five recordings, or from synthetic voices."""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from kws.app.build import load_model, source_maker
from kws.audio.recordings import audio_files, read_audio
from kws.audio.resample import Resampler
from kws.audio.word_extent import WordClip
from kws.cli.flags import MODEL, SOUND, add_flags, add_folders, add_json, configuration
from kws.common.names import composed
from kws.common.voices import utterances, voices
from kws.config.schema import Config
from kws.enroll.bank import read_bank
from kws.enroll.learn import FEWEST, WordLearner
from kws.enroll.recordings import SHORT_SECONDS, complaint, find_word, read_recording
from kws.enroll.session import record
from kws.enroll.word_file import WordFile, check_fits, check_name, read_word, write_word
from kws.errors import UsageError

_EXAMPLES = """\
  kws enroll "good night"                          five recordings from the microphone
  kws enroll "good night" 1.wav 2.wav 3.wav 4.wav 5.wav --out night.json
  kws enroll --more night.json 6.wav 7.wav         learn it again with more recordings
  kws enroll --more night.json --negative clips/   ... and with what fired wrongly
  kws enroll "good night" --say                    from synthetic voices alone
  kws listen --word night.json
"""

_RECORDINGS, _VOICES = 5, 30
_BAR = 40
_FEW = 0.7

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument(
        "items", nargs="*", metavar="WORD CLIP",
        help="the word; then recordings of it, or folders of them. Without recordings the microphone is used",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the word file (default: the word, such as night.json)"
    )
    parser.add_argument("--more", type=Path, metavar="FILE", help="add recordings to those of this word file")
    parser.add_argument(
        "--say", type=int, nargs="?", const=_VOICES, default=0, metavar="N",
        help=f"add the word as said by N synthetic voices ({_VOICES} if N is left out)",
    )  # fmt: skip
    add_folders(parser, "--negative", "recordings in which the word was heard wrongly, such as clips of the service")
    parser.add_argument(
        "--count", type=int, default=_RECORDINGS, metavar="N", help="recordings to make (default: %(default)s)"
    )
    add_json(parser)
    add_flags(parser.add_argument_group("sound"), *SOUND[:4])
    add_flags(parser.add_argument_group("model"), *MODEL)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    before = read_word(options.more) if options.more else None
    word, clips = _word_and_clips(options, before)
    check_name(word)
    out = options.out or options.more or Path(f"{_slug(word)}.json")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: no such folder")
    if not 0 <= options.say <= 500 or not 1 <= options.count <= 100:
        raise UsageError("--say must be from 0 to 500 and --count from 1 to 100")
    config = configuration(options)
    model = load_model(config)
    if before:
        check_fits(options.more, before, model.description)
    if word in model.description.keywords:
        raise UsageError(f"{word!r} is a keyword of the model {model.name} already")
    learner = WordLearner(model, read_bank(model))
    recordings = list(_recordings(options, config, word, clips, learner, fresh=before is None))
    negatives = [read_audio(path) for folder in options.negative for path in audio_files(folder)]
    file = learner.learn(word, recordings, negatives=negatives, before=before)
    write_word(out, file)
    _show(options, out, file)
    return 0


def _word_and_clips(options: argparse.Namespace, before: WordFile | None) -> tuple[str, list[Path]]:
    """Return the word and the recordings: with --more, the word may be left out."""
    first, *rest = options.items or [""]
    if before:
        clips = rest if composed(first) == before.word else options.items
        return before.word, [Path(clip) for clip in clips]
    if not first:
        raise UsageError("name the word to learn: kws enroll WORD [CLIP ...]")
    return composed(first), [Path(clip) for clip in rest]


def _slug(word: str) -> str:
    return re.sub(r"[^\w]+", "-", word.lower()).strip("-") or "word"


def _recordings(
    options: argparse.Namespace,
    config: Config,
    word: str,
    clips: list[Path],
    learner: WordLearner,
    *,
    fresh: bool,
) -> Iterator[WordClip]:
    """Yield the recordings that the command line names; without any, those made with the microphone."""
    files = [file for clip in clips for file in (audio_files(clip) if clip.is_dir() else [clip])]
    if clips and not files:
        raise UsageError(f"{clips[0]}: no recordings (.wav, .flac or .ogg)")
    problems = []
    for file in files:
        try:
            recording = read_recording(file)
        except UsageError as error:
            problems.append(error)
            continue
        if flaw := complaint(recording):
            _log.warning("%s: %s", file, flaw)
        yield recording
    if len(problems) > len(files) / 2 or (problems and len(files) - len(problems) + options.say < FEWEST):
        raise problems[0]
    for problem in problems:
        _log.warning("%s (left out)", problem)
    if options.say:
        for voice, sound in utterances(word, options.say, among=voices()):
            try:
                yield find_word(f"the voice {voice.name}", sound)
            except UsageError as error:
                _log.debug("%s (left out)", error)
    if not (files or options.say or (options.negative and not fresh)):
        yield from _record(config, options.count, word, learner)


def _record(config: Config, count: int, word: str, learner: WordLearner) -> list[WordClip]:
    with source_maker(config, config.sources[0])() as source:
        try:
            blocks = Resampler(source.rate).stream(source.blocks())
            made = record(blocks, count, ConsoleGuide(word), learner.unlike)
        finally:
            source.interrupt()
    seconds = [recording.seconds for recording in made]
    print(f"... heard {len(made)} of {count}, {min(seconds):.1f} to {max(seconds):.1f} s long", file=sys.stderr)
    return made


class ConsoleGuide:
    """Guides a speaker on standard error, with a level bar if that is a terminal."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._bar = sys.stderr.isatty()

    def ask(self, number: int, count: int) -> None:
        print(f'Say "{self._word}" ({number} of {count}) ...', file=sys.stderr, flush=True)

    def level(self, db: float) -> None:
        if self._bar:
            filled = round(_BAR * min(1.0, max(0.0, 1 + db / 60)))
            print(f"\r[{'#' * filled}{' ' * (_BAR - filled)}] {db:4.0f} dB ", end="", file=sys.stderr, flush=True)

    def reject(self, problem: str) -> None:
        clear = "\r\x1b[K" if self._bar else ""
        print(f"{clear}Once more, please: {problem}.", file=sys.stderr, flush=True)


def _show(options: argparse.Namespace, out: Path, file: WordFile) -> None:
    report = file.report
    warnings = list(_warnings(file))
    for warning in warnings:
        _log.warning("%s", warning)
    if options.json:
        print(
            json.dumps(
                {"file": str(out), "word": file.word, "model": file.model, **report, "warnings": warnings},
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    count = report["recordings"]
    print(
        f"{out}: learned without it, {report['heard']} of {count} recordings would fire "
        f"({report['heard_in_noise']} in noise at 10 dB); in 1 h of other speech, "
        f"{report['false_accepts_an_hour']:g} times"
    )


def _warnings(file: WordFile) -> Iterator[str]:
    """Yield what the user should know before relying on a word."""
    report = file.report
    if report["seconds"] < SHORT_SECONDS:
        yield f"{file.word!r} is short ({report['seconds']:.1f} s); words of two or more syllables are heard better"
    if report["similar"]:
        like = ", ".join(f"{word!r} ({share:.0%})" for word, share in report["similar"].items())
        yield f"other words are often taken for {file.word!r}: {like}; choose another word, or add recordings"
    if report["unlike"]:
        places = ", ".join(str(place + 1) for place in report["unlike"])
        yield f"recordings that are unlike the others (is it the same word?): {places}"
    if report["heard"] < report["recordings"] * _FEW:
        yield (
            f"only {report['heard']} of {report['recordings']} recordings would fire; add more with --more, "
            "by those who will say the word"
        )
