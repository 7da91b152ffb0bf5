"""Networks learn from targets and from each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'pytorch'")
import torch

from kws.training.pytorch.ensemble import Ensemble, Member
from kws.training.recipe import NetworkOptions, Optimiser
from kws.types import Float32Array

pytestmark = pytest.mark.training

SHAPE = (48, 40, 1)
LABELS = 4
NETWORK = NetworkOptions(variant="lite", width=0.2, depth=0.3, dropout=0.0, drop_connect=0.0)
SETTINGS = Optimiser(clips=1000, batch=6, rate=1e-2, warmup=1, weight_decay=0.1, label_smoothing=0.0, averaging=2)
CPU = torch.device("cpu")


def images(seed: int, count: int = SETTINGS.batch) -> Float32Array:
    return np.random.default_rng(seed).normal(1.0, 2.0, (count, *SHAPE)).astype(np.float32)


def member(seed: int = 1) -> Member:
    torch.manual_seed(seed)
    return Member(NETWORK, SETTINGS, outputs=LABELS, examples=images(0, 50), device=CPU)


def ensemble(*members: Member, share: float = 1.0) -> Ensemble:
    made = Ensemble(members, SETTINGS, share=share, labels=LABELS, outputs=LABELS, shape=SHAPE, device=CPU)
    made.plain.copy_(torch.from_numpy(images(1)))
    made.augmented.copy_(torch.from_numpy(images(2)))
    made.targets.copy_(torch.eye(LABELS)[[0, 1, 2, 3, 0, 1]])
    return made


def weights(model: Any) -> dict[str, Any]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items() if tensor.is_floating_point()}


def test_images_are_normalised_by_column_over_the_examples() -> None:
    examples = images(0, 50) * np.linspace(0.5, 2.0, 40, dtype=np.float32)[:, None]
    made = Member(NETWORK, SETTINGS, outputs=LABELS, examples=examples, device=CPU)
    np.testing.assert_allclose(made.model.mean, examples.mean(axis=(0, 1, 3)), rtol=1e-5)
    np.testing.assert_allclose(made.averaged.variance, examples.var(axis=(0, 1, 3)), rtol=1e-5)


def test_the_average_moves_a_share_of_the_way() -> None:
    learner = member()
    before = weights(learner.model)
    targets = torch.eye(LABELS)[[0, 1, 2, 3, 0, 1]]
    learner.learn(torch.from_numpy(images(1)), targets, torch.tensor(0.75))
    after, averaged = weights(learner.model), weights(learner.averaged)
    moved = 0
    for name, now in after.items():
        torch.testing.assert_close(averaged[name], 0.75 * before[name] + 0.25 * now)
        moved += int(not torch.equal(now, before[name]))
    assert moved > len(after) / 2
    # The moving averages of the normalisation are averaged too.
    assert not torch.equal(averaged["layers.stem_bn.running_mean"], before["layers.stem_bn.running_mean"])


def test_a_step_is_of_adamw_and_only_kernels_decay() -> None:
    """The first step of Adam moves every weight by the rate, whatever its gradient; decay comes before."""
    learner = member()
    before = weights(learner.model)
    learner.rate.fill_(0.01)
    learner.learn(torch.from_numpy(images(1)), torch.eye(LABELS)[[0, 1, 2, 3, 0, 1]], torch.tensor(0.5))
    after = weights(learner.model)
    for name, decay in (("layers.posteriors.weight", 0.1), ("layers.posteriors.bias", 0.0)):
        step = (after[name] - before[name] * (1 - 0.01 * decay)).abs()
        torch.testing.assert_close(step, torch.full_like(step, 0.01), rtol=1e-2, atol=0.0)


def test_a_state_is_all_that_decides_what_is_learnt() -> None:
    learner = member()
    group = ensemble(learner)
    group.step(600)
    state = [tensor.clone() for tensor in group.tensors()]
    for _ in range(2):
        group.step(600)
    learnt = weights(learner.averaged)
    group.step(600)
    group.restore(state)
    for _ in range(2):
        group.step(600)
    assert all(torch.equal(now, learnt[name]) for name, now in weights(learner.averaged).items())
    fresh = member(seed=2)
    other = ensemble(fresh)
    other.restore(state)
    for _ in range(2):
        other.step(600)
    assert all(torch.equal(now, learnt[name]) for name, now in weights(fresh.averaged).items())


def test_members_teach_from_a_tenth_of_the_run_on() -> None:
    """With a share of 1 the targets are nothing beside what the networks say of the window as it is."""
    first, second = member(1), member(2)
    both = ensemble(first, second)
    state = [tensor.clone() for tensor in both.tensors()]

    def losses(clips: int, *, wrong: bool) -> Any:
        both.restore(state)
        both.targets.copy_(torch.eye(LABELS)[[1, 2, 3, 0, 1, 2] if wrong else [0, 1, 2, 3, 0, 1]])
        both.step(clips)
        return both.losses.clone()

    assert not torch.allclose(losses(90, wrong=False), losses(90, wrong=True))
    torch.testing.assert_close(losses(100, wrong=False), losses(100, wrong=True))
    # The mean of the logarithms of what both averages say, and cross entropy with it.
    both.restore(state)
    plain, augmented = both.plain, both.augmented
    said = (first.posteriors(plain).log() + second.posteriors(plain).log()) / 2
    together = torch.softmax(said, 1)
    expected = [
        -(together * torch.log_softmax(learner.model.train()(augmented), 1)).sum(1).mean().detach()
        for learner in (first, second)
    ]
    torch.testing.assert_close(losses(100, wrong=True), torch.stack(expected))


def test_a_network_alone_learns_from_its_labels() -> None:
    losses = []
    for order in ([0, 1, 2, 3, 0, 1], [1, 2, 3, 0, 1, 2]):
        alone = ensemble(member())
        alone.targets.copy_(torch.eye(LABELS)[order])
        alone.step(900)
        losses.append(alone.losses[0])
    assert not torch.allclose(losses[0], losses[1])


def test_it_tells_how_far_each_window_is_taken_for_a_keyword() -> None:
    first, second = member(1), member(2)
    group = ensemble(first, second)
    with torch.no_grad():
        said = [torch.softmax(learner.model.train()(group.augmented), 1)[:, 2:].sum(1) for learner in (first, second)]
    group.restore(ensemble(member(1), member(2)).tensors())
    group.step(0)
    torch.testing.assert_close(group.keyword, (said[0] + said[1]) / 2)
