"""From folders to material: words with labels, speech without keywords, noise, and what is held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from kws.audio.recordings import audio_files
from kws.audio.word_extent import clip_window, word_extent
from kws.corpus.bank import FOLDER, negatives
from kws.corpus.bank import held_out as is_held_out
from kws.corpus.clips import Recordings, load
from kws.corpus.transcripts import says, transcripts
from kws.corpus.word_folders import fold, speaker_of, split_words
from kws.errors import UsageError
from kws.evaluation.clips import silences
from kws.training.material import Material
from kws.training.recipe import FIRST_KEYWORD, SILENCE_LABEL, UNKNOWN_LABEL, Recipe
from kws.training.understood import Clips, Understood
from kws.types import Float32Array

VALIDATION_PERCENT = 10.0
_SILENCE_SHARE = 0.1
_SHORTEST_CLIP, _FAINTEST_CLIP = 1600, 33  # samples, and the peak as int16: -60 dB
_NAMED = 5  # skipped files that are named
# Windows to learn from if the user does not say: so many for each clip of a keyword, within limits.
_WINDOWS_PER_CLIP, _LEAST_WINDOWS, _MOST_WINDOWS = 256, 16_384, 500_000
# Seconds by which a window grows for long phrases, beyond the phrase, and at most.
_WINDOW_STEP, _WINDOW_MARGIN, _LONGEST_WINDOW = 0.25, 0.1, 3.0


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders with recordings.

    Attributes:
        words: folders of words, split by speaker.
        more: folders of words that are all for training, such as synthetic voices.
        speech: folders of running speech.
        noise: folders of noise; ``background_noise`` and ``silence`` in a folder of words are used as well.
        cache: keeps decoded sound between runs.
    """

    words: Sequence[Path]
    more: Sequence[Path] = ()
    speech: Sequence[Path] = ()
    noise: Sequence[Path] = ()
    cache: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Held-out windows float32 ``(n, window)``, their labels ``(n,)``, and the words and files of clips among them."""

    windows: Float32Array
    labels: npt.NDArray[np.int64]
    files: list[tuple[str, Path]]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Everything that training needs.

    Attributes:
        recipe: with a window and a number of windows that suit the recordings.
        material: to learn from.
        validation: what is held out.
        understood: for the user.
    """

    recipe: Recipe
    material: Material
    validation: Validation
    understood: Understood


def prepare(recipe: Recipe, folders: Folders) -> Prepared:
    """Read everything, and settle what the recipe leaves to the recordings.

    Raises:
        UsageError: a folder is missing or empty, has no recording of a keyword, or a keyword is too long.
        AudioError: a transcript cannot be read.
    """
    split = split_words(folders.words, percent=VALIDATION_PERCENT)
    more = split_words(folders.more, percent=0.0)
    for word, paths in more.train.items():
        split.train.setdefault(word, []).extend(paths)
    notes = [*split.notes, *more.notes]
    word_of = {path: fold(word) for side in (split.train, split.validation) for word in side for path in side[word]}
    words, held_out = (
        _sounding(sorted(path for paths in side.values() for path in paths), "words", folders.cache, notes)
        for side in (split.train, split.validation)
    )
    told_apart = [fold(word) for word in (*recipe.keywords, *recipe.other_words)]
    _check_words(recipe, {word_of[path] for path in words.paths})
    own_speech, transcribed = _speech_without(recipe, folders.speech)
    speech = _sounding(own_speech, "speech", folders.cache, notes)
    bank = negatives(told_apart) if recipe.negatives else (Recordings.none(), Recordings.none())
    kept = list(map(is_held_out, bank))
    noise, held_out_noise = _noise_files(recipe, [*folders.noise, *split.noise])

    def labels(recordings: Recordings, told_apart: Sequence[str]) -> npt.NDArray[np.int64]:
        label_of = {word: FIRST_KEYWORD + i for i, word in enumerate(told_apart)}
        return np.array([label_of.get(word_of.get(path, ""), UNKNOWN_LABEL) for path in recordings.paths], np.int64)

    learned = words + bank[0].where(~kept[0])
    running = speech + bank[1].where(~kept[1])
    material = Material(
        words=learned,
        labels=labels(learned, told_apart),
        speech=running,
        sure=np.array([path in transcribed or path.parent == FOLDER for path in running.paths], bool),
        noise=_sounding(noise, "noise", folders.cache, notes),
        phrases=frozenset(FIRST_KEYWORD + i for i, word in enumerate(told_apart) if " " in word),
    )
    recipe = _fitted(recipe, material)
    window, keywords = recipe.resolved_front_end.window, told_apart[: len(recipe.keywords)]
    count = round(_SILENCE_SHARE * len(held_out)) if held_out_noise else 0
    silent = [sound for _, sound in silences(held_out_noise, count, window=window)]
    sounds = held_out + bank[0].where(kept[0]) + bank[1].where(kept[1])
    windows = [*(clip_window(sounds[i], window) for i in range(len(sounds))), *silent]
    validation = Validation(
        np.stack(windows) if windows else np.zeros((0, window), np.float32),
        np.concatenate([labels(sounds, keywords), np.full(len(silent), SILENCE_LABEL)]).astype(np.int64),
        [(word_of[path], path) for path in held_out.paths],
    )

    def counted(said: Callable[[str], bool]) -> Clips:
        sides = [[path for path in side.paths if said(word_of[path])] for side in (words, held_out)]
        speakers = [len({speaker_of(path) for path in side}) for side in sides]
        return Clips(len(sides[0]), speakers[0], len(sides[1]), speakers[1])

    understood = Understood(
        keywords={keyword: counted(fold(keyword).__eq__) for keyword in recipe.keywords},
        other_words=counted(lambda word: word not in keywords),
        other_words_kinds=len({word_of[path] for path in words.paths} - set(keywords)),
        bank_words=len(bank[0]),
        bank_minutes=bank[1].seconds / 60,
        speech_hours=speech.seconds / 3600,
        noise_minutes=material.noise.seconds / 60,
        window_seconds=window / 16000,
        start=recipe.start,
        bank=recipe.bank,
        windows=recipe.optimiser.clips,
        notes=tuple(notes),
    )
    return Prepared(recipe, material, validation, understood)


def _sounding(files: Sequence[Path], what: str, cache: Path | None, notes: list[str]) -> Recordings:
    """Load recordings without those that are damaged, silent or empty, which a note names."""
    recordings = load(files, what=what, cache=cache)
    useful = np.array([len(s) >= _SHORTEST_CLIP and np.abs(s).max() >= _FAINTEST_CLIP for s in recordings.sounds], bool)
    if dropped := [str(path) for path, use in zip(files, useful, strict=True) if not use]:
        names = ", ".join(dropped[:_NAMED]) + (", ..." if len(dropped) > _NAMED else "")
        notes.append(f"skipped {len(dropped)} recordings that are damaged, silent or shorter than 0.1 s: {names}")
    return recordings.where(useful)


def _check_words(recipe: Recipe, found: set[str]) -> None:
    for keyword in recipe.keywords:
        if fold(keyword) not in found:
            raise UsageError(
                f"no recording of {keyword!r} to learn from: the folder of words needs a folder {keyword}/"
            )
    for word in recipe.other_words:
        if fold(word) not in found:
            raise UsageError(f"other_words: no recording of {word!r} to learn from")


def _fitted(recipe: Recipe, material: Material) -> Recipe:
    """Return the recipe with a window that the keywords fit into, and a number of windows to learn from."""
    front_end, optimiser = recipe.resolved_front_end, recipe.optimiser
    longest = ("", 0.0, 0.0)
    for label, keyword in enumerate(recipe.keywords, FIRST_KEYWORD):
        extents = [
            word_extent(material.words[i], longest_pause=material.longest_pause(label))
            for i in np.flatnonzero(material.labels == label).tolist()
        ]
        typical, long = np.percentile([(end - start) / 16000 for start, end in extents], [50, 90])
        longest = max(longest, (keyword, float(typical), float(long)), key=lambda found: found[1])
    keyword, typical, long = longest
    if typical > front_end.window / front_end.sample_rate:
        window = -(-(long + _WINDOW_MARGIN) // _WINDOW_STEP) * _WINDOW_STEP
        if window > _LONGEST_WINDOW or front_end.fit != "crop" or recipe.teaching.teachers:
            limit = (
                _LONGEST_WINDOW
                if front_end.fit == "crop" and not recipe.teaching.teachers
                else (front_end.window / front_end.sample_rate)
            )
            raise UsageError(
                f"{keyword!r} takes {typical:.1f} s in half of its recordings and {long:.1f} s in one of ten, but the "
                f"network hears at most {limit:g} s at once: choose a shorter phrase"
            )
        front_end = front_end.with_window(round(window * front_end.sample_rate))
        # A bank is of windows of a second.
        priors = recipe.equal_priors and not recipe.bank
        recipe = replace(recipe, front_end=front_end, bank=False, equal_priors=priors)
    if not optimiser.clips:
        clips = _WINDOWS_PER_CLIP * int(np.count_nonzero(material.labels >= FIRST_KEYWORD))
        clips = min(max(clips, _LEAST_WINDOWS), _MOST_WINDOWS)
        clips -= clips % optimiser.batch
        recipe = replace(recipe, optimiser=replace(optimiser, clips=clips))
    return recipe


def _speech_without(recipe: Recipe, folders: Sequence[Path]) -> tuple[list[Path], set[Path]]:
    """Return utterances without a keyword as far as transcripts show, and which of them have a transcript."""
    files, transcribed = [], set()
    for folder in folders:
        said = {utterance: " ".join(words) for utterance, words in transcripts(folder).items()}
        for path in audio_files(folder):
            if not any(says(said.get(path.stem, ""), keyword) for keyword in recipe.keywords):
                files.append(path)
                if path.stem in said:
                    transcribed.add(path)
    return files, transcribed


def _noise_files(recipe: Recipe, sources: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return noise to learn from, and noise that is kept for evaluation."""
    train: list[Path] = []
    held_out: list[Path] = []
    for source in sources:
        for path in audio_files(source):
            names = {path.stem, *path.relative_to(source).parts[:-1]}
            (held_out if names & set(recipe.held_out_noise) else train).append(path)
    return train, held_out or train
