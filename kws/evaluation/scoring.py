"""Recordings, scored by a model once; everything else is measured on the posteriors.

Recordings of plain speech are short and many. They are scored as one stream, with a second of silence before, between
and after, so that each word in them stands in the middle of sound like any other. Only their own time counts as heard.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from kws.audio.file import FileSource
from kws.audio.recordings import audio_files, read_audio
from kws.corpus.cache import Arrays, remember
from kws.corpus.transcripts import transcripts
from kws.errors import UsageError
from kws.evaluation.labels import LabelledWord, read_labels
from kws.evaluation.posterior_cache import PosteriorCache
from kws.inference.model import Model
from kws.pipeline.pipeline import hear, score
from kws.types import AudioBlock

#: Receives how much is done, of how much.
Progress: TypeAlias = Callable[[float, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One recording of plain speech within a stream.

    Attributes:
        path: its file.
        start, end: of its sound in the stream, in seconds.
        said: how often each word is in its transcript; empty without one.
    """

    path: Path
    start: float
    end: float
    said: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredStream:
    """A stream with the posteriors of all its windows.

    Attributes:
        name: of the recording or the folder.
        seconds: of sound.
        cache: the posteriors.
        labels: the words that were said in it, by start.
        utterances: the recordings of plain speech in it; empty if it has labels.
    """

    name: str
    seconds: float
    cache: PosteriorCache
    labels: tuple[LabelledWord, ...] = ()
    utterances: tuple[Utterance, ...] = ()

    def utterance(self, time: float) -> Utterance | None:
        """Return the recording that was playing at a time in seconds, or the last one before it."""
        if not self.utterances:
            return None
        return self.utterances[max(0, bisect_right(self.utterances, time, key=lambda each: each.start) - 1)]


class StreamScorer:
    """Scores every window of recordings.

    Args:
        model: the model that scores.
        hop: seconds from one window to the next.
        cache: a folder that keeps the posteriors for the next time; None keeps nothing.
    """

    def __init__(self, model: Model, hop: float, *, cache: Path | None = None) -> None:
        self._model = model
        self._rate = model.front_end.sample_rate
        self._hop = round(hop * self._rate)
        self._cache = cache

    def labelled(self, audio: Path, labels: Path, progress: Progress | None = None) -> ScoredStream:
        """Score a recording whose words are labelled.

        Raises:
            UsageError: the labels cannot be read or belong to a longer recording.
            AudioError: the recording cannot be read.
        """
        said = read_labels(labels)
        with FileSource(audio) as source:
            seconds = source.length or 0.0
            if said and (last := max(label.end for label in said)) > seconds + 0.1:
                raise UsageError(
                    f"{labels}: a word ends at {last:.2f} s, but {audio} is {seconds:.2f} s long; "
                    "give each recording before its own labels"
                )
            blocks = _reporting(hear(source, self._model), seconds * self._rate, progress)
            arrays = self._remember([audio], lambda: self._score(blocks))
        return ScoredStream(str(audio), seconds, self._posteriors(arrays), labels=said)

    def plain(self, folder: Path, progress: Progress | None = None) -> ScoredStream:
        """Score a folder of plain speech, or of any sound in which a keyword is false unless a transcript has it.

        Raises:
            UsageError: there is no such folder, or no recording in it.
            AudioError: a recording cannot be read.
        """
        files = audio_files(folder)
        if not files:
            raise UsageError(f"{folder}: no recordings (.wav, .flac or .ogg)")
        arrays = self._remember(files, lambda: self._score_all(files, progress))
        said = transcripts(folder)
        utterances = tuple(
            Utterance(path, start / self._rate, end / self._rate, Counter(said.get(path.stem, ())))
            for path, (start, end) in zip(files, arrays["extents"].tolist(), strict=True)
        )
        seconds = sum(utterance.end - utterance.start for utterance in utterances)
        return ScoredStream(str(folder), seconds, self._posteriors(arrays), utterances=utterances)

    def _score_all(self, files: Sequence[Path], progress: Progress | None) -> Arrays:
        """Score recordings as one stream; add their extents in samples, int64 ``(files, 2)``."""
        silence = np.zeros(self._model.front_end.window, np.float32)
        extents = []

        def blocks() -> Iterator[AudioBlock]:
            yield AudioBlock(silence, 0)
            position = len(silence)
            for done, path in enumerate(files, 1):
                sound = read_audio(path)
                extents.append((position, position + len(sound)))
                yield AudioBlock(np.concatenate((sound, silence)), position)
                position += len(sound) + len(silence)
                if progress:
                    progress(done, len(files))

        return {**self._score(blocks()), "extents": np.array(extents, np.int64)}

    def _score(self, blocks: Iterable[AudioBlock]) -> Arrays:
        """Return the posteriors float32 ``(windows, labels)`` and levels of all windows, and the end of the first."""
        scored = list(score(self._model, self._hop, blocks))
        posteriors = np.array([each.posteriors for each in scored], np.float32).reshape(-1, len(self._model.labels))
        levels = np.array([each.level for each in scored], np.float64)
        return {"posteriors": posteriors, "levels": levels, "first_end": np.array(scored[0].end)}

    def _posteriors(self, arrays: Arrays) -> PosteriorCache:
        return PosteriorCache(
            self._model.labels,
            arrays["posteriors"],
            first_end=int(arrays["first_end"]),
            levels=arrays["levels"].tolist(),
            sample_rate=self._rate,
            window=self._model.front_end.window,
        )

    def _remember(self, files: Sequence[Path], compute: Callable[[], Arrays]) -> Arrays:
        return remember(self._cache / f"{self._key(files)}.npz" if self._cache else None, compute)

    def _key(self, files: Sequence[Path]) -> str:
        """Return a name for everything that the posteriors depend on."""
        description, network = self._model.description, self._model.network
        key = hashlib.sha256(f"{description.front_end} {network.interpreter} {self._hop} 2\0".encode())
        key.update(self._model.key.encode())
        for path in files:
            status = path.stat()
            key.update(f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return key.hexdigest()[:32]


def _reporting(blocks: Iterator[AudioBlock], samples: float, progress: Progress | None) -> Iterator[AudioBlock]:
    for block in blocks:
        yield block
        if progress:
            progress(min(block.end, samples), samples)
