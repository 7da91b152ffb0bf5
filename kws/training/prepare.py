"""From folders to material: words with labels, speech without keywords, noise, and what is held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kws.audio.recordings import audio_files
from kws.audio.word_extent import clip_window
from kws.corpus.clips import Recordings, load
from kws.corpus.transcripts import says, transcripts
from kws.corpus.word_folders import Split, fold, split_words
from kws.errors import UsageError
from kws.evaluation.clips import silences
from kws.training.material import Material
from kws.training.recipe import FIRST_KEYWORD, SILENCE_LABEL, UNKNOWN_LABEL, Recipe
from kws.types import Float32Array

VALIDATION_PERCENT = 10.0
_SILENCE_SHARE = 0.1


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
    """Held-out windows float32 ``(n, window)`` and their labels ``(n,)``."""

    windows: Float32Array
    labels: npt.NDArray[np.int64]


def prepare(recipe: Recipe, folders: Folders, say: Callable[[str], None]) -> tuple[Material, Validation]:
    """Read everything, and say what was found and skipped.

    Raises:
        UsageError: a folder is missing or empty, or has no recording of a keyword.
        AudioError: a file cannot be decoded.
    """
    split = split_words(folders.words, percent=VALIDATION_PERCENT)
    more = split_words(folders.more, percent=0.0)
    for word, paths in more.train.items():
        split.train.setdefault(word, []).extend(paths)
    for note in (*split.notes, *more.notes):
        say(note)
    found = {fold(word) for word, paths in split.train.items() if paths}
    for keyword in recipe.keywords:
        if fold(keyword) not in found:
            raise UsageError(
                f"no recording of {keyword!r} to learn from: the folder of words needs a folder {keyword}/"
            )
    for word in recipe.other_words:
        if fold(word) not in found:
            raise UsageError(f"other_words: no recording of {word!r} to learn from")
    noise, held_out_noise = _noise_files(recipe, [*folders.noise, *split.noise])
    words, labels = _labelled((*recipe.keywords, *recipe.other_words), split.train, "words", folders.cache)
    speech, sure = _speech_without(recipe, folders.speech)
    material = Material(
        words=words,
        labels=labels,
        speech=load(speech, what="speech", cache=folders.cache),
        sure=sure,
        noise=load(noise, what="noise", cache=folders.cache),
    )
    validation = _validation(recipe, split, held_out_noise, folders.cache)
    say(
        f"{len(material.words)} words, {material.speech.seconds / 3600:.1f} h of speech, "
        f"{material.noise.seconds / 60:.0f} min of noise; {len(validation.labels)} windows held out"
    )
    return material, validation


def _labelled(
    told_apart: Sequence[str], words: dict[str, list[Path]], what: str, cache: Path | None
) -> tuple[Recordings, npt.NDArray[np.int64]]:
    """Load clips. Words that have an output of their own are labelled in their order, from the first keyword on."""
    label_of = {fold(word): FIRST_KEYWORD + i for i, word in enumerate(told_apart)}
    files = [(path, label_of.get(fold(word), UNKNOWN_LABEL)) for word, paths in sorted(words.items()) for path in paths]
    recordings = load([path for path, _ in files], what=what, cache=cache)
    return recordings, np.array([label for _, label in files], np.int64)


def _speech_without(recipe: Recipe, folders: Sequence[Path]) -> tuple[list[Path], npt.NDArray[np.bool_]]:
    """Return utterances without a keyword as far as transcripts show, and which of them have a transcript."""
    files, sure = [], []
    for folder in folders:
        said = {utterance: " ".join(words) for utterance, words in transcripts(folder).items()}
        for path in audio_files(folder):
            if not any(says(said.get(path.stem, ""), keyword) for keyword in recipe.keywords):
                files.append(path)
                sure.append(path.stem in said)
    return files, np.array(sure, bool)


def _noise_files(recipe: Recipe, sources: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return noise to learn from, and noise that is kept for evaluation."""
    train: list[Path] = []
    held_out: list[Path] = []
    for source in sources:
        for path in audio_files(source):
            names = {path.stem, *path.relative_to(source).parts[:-1]}
            (held_out if names & set(recipe.held_out_noise) else train).append(path)
    return train, held_out or train


def _validation(recipe: Recipe, split: Split, noise: Sequence[Path], cache: Path | None) -> Validation:
    window = recipe.resolved_front_end.window
    words, labels = _labelled(recipe.keywords, split.validation, "validation words", cache)
    windows = [clip_window(words[i], window) for i in range(len(words))]
    # A tenth as many seconds of silence as there are words, as in the recipe of Speech Commands.
    count = round(_SILENCE_SHARE * len(words)) if noise else 0
    silent = [sound for _, sound in silences(noise, count, window=window)]
    return Validation(
        np.stack([*windows, *silent]) if windows else np.zeros((0, window), np.float32),
        np.concatenate((labels, np.full(len(silent), SILENCE_LABEL))).astype(np.int64),
    )
