"""Accuracy and confusion on labelled clips, one window a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kws.audio.recordings import audio_files, read_audio
from kws.audio.word_extent import clip_window
from kws.corpus.bank import held_out, negatives
from kws.corpus.word_folders import fold, held_out_clips, is_run, split_words
from kws.decision import DecisionSettings
from kws.errors import UsageError
from kws.inference.model import Model
from kws.pipeline.pipeline import Pipeline
from kws.types import SILENCE, UNKNOWN, AudioBlock, Float32Array

#: The most frequent confusions that are reported.
_WORST = 10


@dataclass(frozen=True, slots=True, eq=False)
class ClipResult:
    """The outcome of labelled clips.

    Attributes:
        labels: of the model.
        confusion: int ``(labels, labels)``: rows are the words spoken, columns the words detected.
        mistakes: path or description of each wrong clip, the label said, the label heard and its posterior.
    """

    labels: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    mistakes: list[tuple[str, str, str, float]]

    @property
    def clips(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of clips with the right label."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def recall(self, label: int) -> float | None:
        """Return the share of a label's clips that are right; None without clips."""
        said = int(self.confusion[label].sum())
        return float(self.confusion[label, label] / said) if said else None

    def worst(self) -> list[tuple[str, str, int]]:
        """Return the most frequent confusions: said, heard, how often."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        order = np.argsort(wrong, axis=None)[::-1][:_WORST]
        pairs = [np.unravel_index(i, wrong.shape) for i in order]
        return [(self.labels[i], self.labels[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]


def labelled_clips(folder: Path, labels: tuple[str, ...]) -> list[tuple[Path, int]]:
    """Return clips and their labels; words that the model does not know count as unknown.

    Args:
        folder: a run of ``kws train``, for the clips that it held out; or a folder of words: those below
            ``validation/`` or ``test/`` if there are any, otherwise all.
        labels: of the model.

    Raises:
        UsageError: no such folder, or no clips in it.
    """
    if is_run(folder):
        clips = held_out_clips(folder)
    else:
        split = split_words([folder], percent=0.0)
        sides = split.validation if any(split.validation.values()) else split.train
        clips = [(word, path) for word, paths in sides.items() for path in paths]
        clips += [(SILENCE, path) for noise in split.noise if noise.name == SILENCE for path in audio_files(noise)]
    label_of = {fold(label): i for i, label in enumerate(labels)} | {SILENCE: labels.index(SILENCE)}
    return sorted(
        (path, label_of.get(fold(word) if word != SILENCE else SILENCE, labels.index(UNKNOWN))) for word, path in clips
    )


def false_accepts(model: Model, settings: DecisionSettings) -> tuple[int, float]:
    """Return the detections in the held-out negatives that come with kws, and their seconds."""
    sounds = [kind.where(held_out(kind)) for kind in negatives(model.description.keywords)]
    data = np.concatenate([sound.data for sound in sounds]) * np.float32(1 / 32768)
    pipeline = Pipeline(model, settings)
    steps = chain(pipeline.push(AudioBlock(data, 0)), pipeline.finish())
    return sum(len(step.decision.fired) for step in steps), len(data) / 16000


def silences(noise: Sequence[Path], count: int, *, window: int, seed: int = 0) -> Iterator[tuple[str, Float32Array]]:
    """Silence as Speech Commands makes it: random seconds of noise at random volume, with a name for each.

    Args:
        noise: recordings to cut from, all equally often.
        count: how many seconds.
        window: samples of each.
        seed: the same seed cuts the same seconds.
    """
    rng = np.random.default_rng(seed)
    for path in (noise[i] for i in rng.permutation(np.resize(np.arange(len(noise)), count))):
        sound = read_audio(path)
        first = int(rng.integers(max(1, len(sound) - window)))
        volume = np.float32(rng.uniform())
        yield f"{path} from {first / 16000:.2f} s", clip_window(sound[first : first + window], window) * volume


def evaluate_clips(
    model: Model,
    folder: Path,
    *,
    noise: Sequence[Path] = (),
    silence_share: float = 0.1,
    conditions: Callable[[Float32Array], Float32Array] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClipResult:
    """Score every clip of a folder.

    Args:
        model: the model.
        folder: see :func:`labelled_clips`; ``_silence_`` and ``_unknown_`` may be folders as well.
        noise: folders of recordings from which silence is cut.
        silence_share: seconds of silence to cut, as a share of the clips.
        conditions: applied to every clip except silence, such as :class:`kws.evaluation.conditions.Conditions`.
        progress: receives how many clips are done, of how many.

    Raises:
        UsageError: a folder is missing or empty.
        AudioError: a clip cannot be read.
    """
    labels = model.labels
    clips = labelled_clips(folder, labels)
    window = model.front_end.window
    noises = []
    for source in noise:
        found = audio_files(source)
        if not found:
            raise UsageError(f"{source}: no recordings of noise")
        noises += found
    count = round(silence_share * len(clips)) if noises else 0
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    mistakes = []

    def asked() -> Iterator[tuple[str, Float32Array, int]]:
        for path, label in clips:
            sound = clip_window(read_audio(path), window)
            yield str(path), conditions(sound) if conditions else sound, label
        for name, sound in silences(noises, count, window=window):
            yield name, sound, labels.index(SILENCE)

    for done, (name, sound, label) in enumerate(asked(), 1):
        posteriors = model.posteriors(model.front_end.spectrogram(sound))
        heard = int(posteriors.argmax())
        confusion[label, heard] += 1
        if heard != label:
            mistakes.append((name, labels[label], labels[heard], float(posteriors[heard])))
        if progress:
            progress(done, len(clips) + count)
    return ClipResult(labels, confusion, mistakes)
