"""Processes that mix windows side by side, for networks that learn faster than one could mix."""

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
from kws.training.batches import disguise, echoed
from kws.training.mixing import Example, Material, Mixer
from kws.training.recipe import Mix
from kws.training.spectra import TrainingFrontEnd
from kws.types import Float32Array

_AHEAD = 2  # parts of each process that are ready or under way, beside those that are out


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some windows of one process, in memory that it writes to again once they are given back.

    Attributes:
        number, slot: of the process, and of the part among its parts.
        plain: the images ``(size, *shape)`` of the windows.
        disguised: the same, coloured and masked.
        targets: float32 ``(size, labels)``.
    """

    number: int
    slot: int
    plain: Float32Array
    disguised: Float32Array
    targets: Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What each process does.

    Attributes:
        material: what it mixes from.
        mix: how.
        target: what a window is to be called: ``(labels,)``.
        labels: how many.
        front_end: whose images are wanted of each window.
    """

    material: Material
    mix: Mix
    target: Callable[[Example], Float32Array]
    labels: int
    front_end: FrontEnd


class Workers:
    """Processes that mix, each from its own random numbers, in its own rooms and with its own hard examples.

    Args:
        work: of each.
        size: windows in a part.
        out: parts that are learnt from before the first of them is given back, at most.
        processes: how many.
        seed: of all.
    """

    def __init__(self, work: Work, *, size: int, out: int, processes: int, seed: Sequence[int]) -> None:
        # Forked, so that the recordings are in memory once.
        context = multiprocessing.get_context("fork")
        self._pipes: list[Connection] = []
        self._processes = []
        self._ready: deque[Part] = deque()
        self._parts: list[list[Part]] = []
        for number in range(processes):
            parts = [
                Part(
                    number,
                    slot,
                    plain=_shared(context, (size, *work.front_end.shape)),
                    disguised=_shared(context, (size, *work.front_end.shape)),
                    targets=_shared(context, (size, work.labels)),
                )
                for slot in range(_AHEAD + out)
            ]
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_mix,
                args=(work, parts, theirs, [*seed, number]),
                daemon=True,
            )
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
        """A part that is ready, as soon as there is one.

        Raises:
            KwsError: a process has ended, which no other can make up for.
        """
        while not self._ready:
            sentinels = [process.sentinel for process in self._processes]
            for ready in wait([*self._pipes, *sentinels]):
                try:
                    number = self._pipes.index(ready)  # type: ignore[arg-type]
                    self._ready.append(self._parts[number][self._pipes[number].recv()])
                except (ValueError, EOFError):  # no pipe but a sentinel, or nobody at the other end
                    raise KwsError(
                        "a process that mixes windows has ended; is there memory enough for all of them?"
                    ) from None
        return self._ready.popleft()

    def give_back(self, part: Part, keyword: Float32Array) -> None:
        """Have a part's memory used again, and its origins hear the posteriors of all keywords together ``(size,)``."""
        self._pipes[part.number].send((part.slot, keyword))


def _shared(context: Any, shape: tuple[int, ...]) -> Float32Array:
    memory = context.RawArray("f", int(np.prod(shape)))
    return np.frombuffer(memory, np.float32).reshape(shape)


def _mix(work: Work, parts: Sequence[Part], pipe: Connection, seed: list[int]) -> None:
    # Control-C reaches all processes of a terminal; the one that began these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    front_end = TrainingFrontEnd.like(work.front_end)
    mixer = Mixer(work.material, work.mix, labels=work.labels, window=front_end.window, seed=seed)
    rng = np.random.default_rng([*seed, 0])

    def draw() -> tuple[Float32Array, Float32Array, int]:
        example = mixer.draw()
        return front_end(example.window), work.target(example), example.origin

    # Its end is told by a sentinel alone: of the pipe, the processes that were forked later have copies.
    master = multiprocessing.parent_process()
    assert master is not None
    free = list(range(len(parts)))
    origins: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)] * len(parts)
    for batch in echoed(draw, rng, size=len(parts[0].targets), reuse=work.mix.reuse):
        while not free or pipe.poll():
            if master.sentinel in wait([pipe, master.sentinel]):
                return
            slot, keyword = pipe.recv()
            mixer.report(origins[slot], keyword)
            free.append(slot)
        part = parts[free.pop(0)]
        for i, (image, wanted, _) in enumerate(batch):
            part.plain[i] = part.disguised[i] = image
            disguise(rng, part.disguised[i], front_end, work.mix)
            part.targets[i] = wanted
        origins[part.slot] = np.array([origin for _, _, origin in batch])
        pipe.send(part.slot)
