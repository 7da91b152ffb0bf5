"""Processes that mix: what they give is what one mixer would, and what is reported reaches them."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from collections import Counter
from multiprocessing.connection import Connection, wait
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="training needs the extra 'train'")
from kws.corpus.clips import Recordings
from kws.errors import KwsError
from kws.features.front_end import LOG_MEL_SMALL
from kws.training.batches import TrainingFrontEnd
from kws.training.material import Example, Material
from kws.training.mixing import Mixer
from kws.training.recipe import Mix
from kws.training.workers import Work, Workers
from kws.types import Float32Array

pytestmark = pytest.mark.training

WORDS = 12
UNMASKED = Mix(unknown=1.0, speech=0.0, silence=0.0, hard=0.5, time_masks=0, frequency_masks=0)
SIZE = 16


def origin(example: Example) -> Float32Array:
    """Stands for a target, to see what was drawn."""
    return np.array([example.origin, 0], np.float32)


def work(mix: Mix) -> Work:
    rng = np.random.default_rng(0)
    starts = np.arange(WORDS + 1) * 16000
    sound = (rng.standard_normal(WORDS * 16000) * 1000).astype(np.int16)
    words = Recordings(sound, starts, [Path(f"{i}.wav") for i in range(WORDS)])
    none = Recordings(np.zeros(0, np.int16), np.zeros(1, np.int64), [])
    material = Material(words, np.ones(WORDS, np.int64), none, np.zeros(0, bool), none)
    return Work(material, mix, origin, labels=2, outputs=2, front_end=LOG_MEL_SMALL)


def test_each_draws_as_a_mixer_of_its_seed_and_number() -> None:
    task = work(UNMASKED)
    front_end = TrainingFrontEnd.like(LOG_MEL_SMALL)
    drawn: dict[int, list[Float32Array]] = {0: [], 1: []}
    with Workers(task, size=SIZE, out=1, processes=2, seed=[5]) as workers:
        while min(len(images) for images in drawn.values()) < 3 * SIZE:
            part = workers.next()
            assert np.array_equal(part.plain, part.augmented)
            drawn[part.number] += list(part.plain.copy())
            workers.give_back([part], np.zeros(SIZE, np.float32))
    for number, images in drawn.items():
        mixer = Mixer(task.material, UNMASKED, labels=2, window=16000, seed=[5, number])
        for image in images[:SIZE]:
            assert np.array_equal(image, front_end(mixer.draw().window))
    assert not np.array_equal(drawn[0][0], drawn[1][0])


def test_augmentation_leaves_the_window_as_it_is_for_who_teaches() -> None:
    mix = Mix(unknown=1.0, speech=0.0, silence=0.0, time_masks=1, time_mask=0.5, frequency_masks=0, filter_gain_db=6.0)
    with Workers(work(mix), size=SIZE, out=1, processes=1, seed=[5]) as workers:
        part = workers.next()
        differ = [not np.array_equal(a, b) for a, b in zip(part.plain, part.augmented, strict=True)]
        mixer = Mixer(work(mix).material, mix, labels=2, window=16000, seed=[5, 0])
        assert np.array_equal(part.plain[0], TrainingFrontEnd.like(LOG_MEL_SMALL)(mixer.draw().window))
    assert all(differ)


def test_what_is_taken_for_a_keyword_is_heard_again() -> None:
    with Workers(work(UNMASKED), size=SIZE, out=1, processes=1, seed=[5]) as workers:
        for _ in range(60):
            part = workers.next()
            workers.give_back([part], np.where(part.targets[:, 0] == 7, 1.0, 0.0).astype(np.float32))
        heard: Counter[float] = Counter()
        for _ in range(20):
            part = workers.next()
            heard.update(part.targets[:, 0].tolist())
            workers.give_back([part], np.where(part.targets[:, 0] == 7, 1.0, 0.0).astype(np.float32))
    # Half of the words are drawn from what is hard, and there is one such; the rest from all.
    assert heard[7] / heard.total() == pytest.approx(0.5 + 0.5 / WORDS, abs=0.1)


def test_the_processes_end_with_what_they_work_for() -> None:
    workers = Workers(work(UNMASKED), size=SIZE, out=1, processes=2, seed=[5])

    def stopped() -> None:
        with workers:
            workers.next()
            assert [process.is_alive() for process in workers._processes] == [True, True]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert [process.is_alive() for process in workers._processes] == [False, False]


def test_the_processes_end_when_who_began_them_is_killed() -> None:
    """Which no ``finally`` hears of."""

    def begin(pids: Connection) -> None:
        workers = Workers(work(UNMASKED), size=SIZE, out=1, processes=3, seed=[5])
        workers.next()
        pids.send([process.pid for process in workers._processes])
        os.kill(os.getpid(), signal.SIGKILL)

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    master = context.Process(target=begin, args=(theirs,))
    master.start()
    ends = [os.pidfd_open(pid) for pid in ours.recv()]
    master.join()
    assert master.exitcode == -signal.SIGKILL
    ended: set[object] = set()
    while len(ended) < 3 and (ready := wait([end for end in ends if end not in ended], timeout=30)):
        ended |= set(ready)
    assert ended == set(ends)


def test_a_process_that_ends_is_not_waited_for() -> None:
    def fails(example: Example) -> Float32Array:
        os._exit(1)

    task = dataclasses.replace(work(UNMASKED), target=fails)
    with Workers(task, size=SIZE, out=1, processes=2, seed=[5]) as workers, pytest.raises(KwsError, match="has ended"):
        workers.next()


def test_as_many_parts_are_out_as_was_said() -> None:
    """This holds for one process too: it must not wait for parts that come back only after it has mixed more."""
    with Workers(work(UNMASKED), size=SIZE, out=7, processes=1, seed=[5]) as workers:
        parts = [workers.next() for _ in range(7)]
    assert len({part.slot for part in parts}) == 7
