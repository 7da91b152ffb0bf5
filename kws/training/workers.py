"""Processes that mix windows side by side while the network learns from earlier ones."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kws.errors import KwsError
from kws.features.front_end import FrontEnd
from kws.training.batches import batches
from kws.training.material import Example, Material
from kws.training.mixing import Mixer
from kws.training.recipe import Mix
from kws.types import Float32Array

_AHEAD = 2  # parts of each process that are ready or being mixed, beside those that are in use


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Part of a batch, in shared memory that its process reuses once the part is given back.

    Attributes:
        number, slot: of the process, and of the part among its parts.
        plain, augmented: images ``(size, *shape)``, as in :class:`kws.training.batches.Batch`.
        targets: float32 ``(size, outputs)``.
    """

    number: int
    slot: int
    plain: Float32Array
    augmented: Float32Array
    targets: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The work of each process.

    Attributes:
        material, mix: the recordings, and how to mix them.
        target: gives the posteriors to learn for a window, ``(outputs,)``.
        labels, outputs: of the network.
        front_end: makes the images.
    """

    material: Material
    mix: Mix
    target: Callable[[Example], Float32Array]
    labels: int
    outputs: int
    front_end: FrontEnd


class Workers:
    """Processes that mix, each with its own random numbers, rooms and hard examples.

    Args:
        work: of each.
        size: windows in a part.
        out: the most parts that are in use before the first of them is given back.
        processes: how many.
        seed: of all.
    """

    def __init__(self, work: Work, *, size: int, out: int, processes: int, seed: Sequence[int]) -> None:
        # Forked, so that all share the recordings in memory.
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        self._ready: deque[Part] = deque()
        self._parts: list[list[Part]] = []
        images = (size, *work.front_end.shape)
        for number in range(processes):
            parts = [
                Part(number, slot, _shared(images), _shared(images), _shared((size, work.outputs)))
                for slot in range(_AHEAD + out)
            ]
            ours, theirs = context.Pipe()
            process = context.Process(target=_mix, args=(work, parts, theirs, [*seed, number]), daemon=True)
            process.start()
            self._parts.append(parts)
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def next(self) -> Part:
        """Return a part as soon as one is ready.

        Raises:
            KwsError: a process has ended.
        """
        while not self._ready:
            sentinels = [process.sentinel for process in self._processes]
            for ready in wait([*self._pipes, *sentinels]):
                try:
                    number = self._pipes.index(ready)  # type: ignore[arg-type]
                    self._ready.append(self._parts[number][self._pipes[number].recv()])
                except (ValueError, EOFError):  # a sentinel, or a pipe that its process has closed
                    raise KwsError("a process that mixes windows has ended; is there enough memory?") from None
        return self._ready.popleft()

    def give_back(self, parts: Sequence[Part], keyword: Float32Array) -> None:
        """Return parts to their processes, with the sum of all keywords' posteriors for each of their windows."""
        first = 0
        for part in parts:
            last = first + len(part.targets)
            self._pipes[part.number].send((part.slot, keyword[first:last]))
            first = last


def _shared(shape: tuple[int, ...]) -> Float32Array:
    memory: Any = multiprocessing.RawArray("f", int(np.prod(shape)))
    return np.frombuffer(memory, np.float32).reshape(shape)


def _mix(work: Work, parts: Sequence[Part], pipe: Connection, seed: list[int]) -> None:
    # Control-C reaches all processes of a terminal; the parent ends these.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mixer = Mixer(work.material, work.mix, labels=work.labels, window=work.front_end.window, seed=seed)
    size = len(parts[0].targets)
    # Only a sentinel shows that the parent has died: later processes hold copies of its end of the pipe.
    parent = multiprocessing.parent_process()
    assert parent is not None
    free = list(range(len(parts)))
    origins: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(parts)
    for batch in batches(mixer, work.front_end, work.target, work.mix, size=size, seed=[*seed, 0]):
        while not free or pipe.poll():
            if parent.sentinel in wait([pipe, parent.sentinel]):
                return
            slot, keyword = pipe.recv()
            mixer.report(origins[slot], keyword)
            free.append(slot)
        part = parts[free.pop(0)]
        part.plain[:], part.augmented[:], part.targets[:], origins[part.slot] = batch
        pipe.send(part.slot)
