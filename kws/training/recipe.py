"""A recipe: everything that decides what a trained model is, in one TOML file that ships beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from kws.errors import UsageError
from kws.features.front_end import PRESETS, FrontEnd
from kws.inference.model import find_description
from kws.types import SILENCE, UNKNOWN

_SMALLEST_IMAGE = 32


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the EfficientNet family: B0 scaled in width and depth.

    Attributes:
        variant: ``original`` has squeeze-and-excitation and swish; ``lite`` has neither but ReLU6, like Google's
            EfficientNet-Lite: its activations have a known range, so that it loses next to nothing as int8.
        width, depth: factors of filters and of repeats.
        dropout: before the last layer.
        drop_connect: of the last block; those before it have proportionally less.
    """

    variant: Literal["original", "lite"] = "original"
    width: float = 1.0
    depth: float = 1.0
    dropout: float = 0.2
    drop_connect: float = 0.1


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the network hears in training; shares are of all windows, the rest are keywords.

    Attributes:
        unknown: share of windows with other words.
        speech: share of random seconds of running speech, as unknown.
        silence: share of noise, or nearly nothing.
        beeps: share of silence in which machines beep, ring and knock.
        cut: share of keywords of which so much lies outside the window that they count as unknown.
        fragment: share of keywords of which only a head or a tail is heard, joined to running speech: unknown.
        hard: share of running speech and of other words that is drawn from what the network takes for keywords.
        plain: share of whole words, keywords and others, that are heard as they were recorded: at the place in their
            second and at the level that they have there, without more noise.
        shift: the most seconds by which these are moved to and fro.
        neighbour: share of keywords that have another word close before or after.
        sentence: share of keywords that running speech of the same level joins without a pause: unknown.
        talk: share of windows with speech, of words and of sentences, that have other people's speech under them.
        talk_snr: lowest and highest level of the words above that speech, in decibels.
        noise: share of windows with background noise.
        snr: lowest and highest signal-to-noise ratio in decibels.
        room: share of windows heard through a simulated room and microphone.
        speed: share of clips played faster or slower by up to ``speed_range``.
        level: lowest and highest level of the word, in decibels re full scale.
        newest: the word ends at most this many seconds before the window does.
        reuse: how often a mixed window is learned from in the mean, coloured and masked anew each time.
        colour: the largest gain or loss, in decibels, by which frequencies are raised and lowered against each other in
            every window, as by other microphones.
        band_limit: share of windows that lose high or low frequencies wholly, as over the line of a headset.
        suppression: share of windows in which what is faint is made fainter, as by a device that suppresses noise.
    """

    unknown: float = 0.18
    speech: float = 0.18
    silence: float = 0.06
    beeps: float = 0.0
    cut: float = 0.05
    fragment: float = 0.04
    hard: float = 0.5
    plain: float = 0.0
    shift: float = 0.0
    neighbour: float = 0.15
    sentence: float = 0.0
    talk: float = 0.0
    talk_snr: tuple[float, float] = (5.0, 30.0)
    noise: float = 0.8
    snr: tuple[float, float] = (0.0, 30.0)
    room: float = 0.3
    speed: float = 0.5
    speed_range: float = 0.12
    level: tuple[float, float] = (-45.0, -12.0)
    newest: float = 0.5
    reuse: float = 1.0
    colour: float = 0.0
    band_limit: float = 0.0
    suppression: float = 0.0
    time_masks: int = 2
    time_mask: float = 0.12
    frequency_masks: int = 2
    frequency_mask: float = 0.12

    def priors(self, keywords: int) -> tuple[float, ...]:
        """The share of each label in training: silence, unknown, and so many keywords."""
        unknown = self.unknown + self.speech + self.cut + self.fragment + self.sentence
        keyword = (1.0 - self.silence - unknown) / keywords
        return (self.silence, unknown, *[keyword] * keywords)


class Teaching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Networks to learn from, besides the labels.

    Attributes:
        teachers: models, by their folders or the names that they ship under, of the same labels and exported with
            equal priors; what they say of a window together, before it is coloured and masked, is its target.
        peers: networks that learn beside this one, from the same windows; what they and it say together of a window as
            it is, each with the average of its weights so far, is its target too. They do not ship.
        share: of the teachers' posteriors in a target, and then of the peers'; the rest is the label.
    """

    teachers: tuple[str, ...] = ()
    peers: tuple[Network, ...] = ()
    share: float = 0.5


class Optimiser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it learns: AdamW; the rate rises, stays, and falls in a line to zero over the last ``decay`` of the clips.

    Attributes:
        clips: windows heard in all.
        batch: windows a step.
        rate: the learning rate at its height.
        warmup: clips over which it rises.
        decay: share of the clips over which it falls.
        weight_decay: decoupled, for kernels.
        label_smoothing: share of the target given to all labels alike.
        averaging: time constant, in steps, of the moving average of the weights; the average is what ships.
    """

    clips: int = 700_000
    batch: int = 128
    rate: float = 1.5e-3
    warmup: int = 20_000
    decay: float = 0.4
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    averaging: int = 500
    seed: int = 1


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole recipe.

    Attributes:
        name, version: of the model.
        keywords: the words to spot; the network's labels are silence, unknown and these.
        other_words: folders of other words that the network learns to tell apart as well. The network that is exported
            adds their posteriors to that of unknown words.
        front_end: a preset of :data:`kws.features.front_end.PRESETS` or a table with the fields of
            :class:`kws.features.front_end.FrontEnd`.
        held_out_noise: folders or files of noise, by name, that are kept for evaluation.
        equal_priors: whether the network that is exported gives posteriors for labels of equal prior probability: the
            posteriors of training divided by its shares of the labels (arXiv:2007.07314). Otherwise a network that
            heard ten times as much of other words as of a keyword keeps to other words in case of doubt.
        decision: recommended decision settings: the tables ``decision``, ``keyword`` and ``gate`` of a configuration.
        start: a model, by its folder or the name that it ships under, whose weights training begins with; of the same
            depth, as wide or narrower, and with as many columns in its images. Empty for random weights.
        teaching: trained networks to learn from.
        licence: of the model.
        attribution: of the recordings that it learns from, a line each.
    """

    name: str
    version: str = "1.0"
    keywords: tuple[str, ...]
    other_words: tuple[str, ...] = ()
    front_end: str | FrontEnd = "log-mel"
    network: Network = Network()
    start: str = ""
    mix: Mix = Mix()
    teaching: Teaching = Teaching()
    optimiser: Optimiser = Optimiser()
    held_out_noise: tuple[str, ...] = ()
    equal_priors: bool = False
    decision: dict[str, Any] = {}
    licence: str = ""
    attribution: tuple[str, ...] = ()

    @property
    def resolved_front_end(self) -> FrontEnd:
        if isinstance(self.front_end, FrontEnd):
            return self.front_end
        if self.front_end not in PRESETS:
            raise UsageError(f"front_end: no preset {self.front_end!r}; there are {', '.join(PRESETS)}")
        return PRESETS[self.front_end]

    def check(self) -> None:
        """Raise a UsageError for what cannot be trained."""
        if not self.keywords or not all(self.keywords) or len(set(self.keywords)) != len(self.keywords):
            raise UsageError("keywords: name at least one word, and each once")
        if {SILENCE, UNKNOWN} & set(self.keywords):
            raise UsageError(f"keywords: {SILENCE} and {UNKNOWN} are labels already")
        if len(set(self.other_words) - set(self.keywords)) != len(self.other_words):
            raise UsageError("other_words: name each word once, and no keyword")
        if min(min(n.width, n.depth) for n in (self.network, *self.teaching.peers)) <= 0:
            raise UsageError("network: width and depth must be above 0, those of peers too")
        if min(self.optimiser.clips, self.optimiser.batch) < 1:
            raise UsageError("optimiser: clips and batch must be at least 1")
        if not 0.0 <= self.teaching.share <= 1.0:
            raise UsageError("teaching: share must lie between 0 and 1")
        if min(self.resolved_front_end.image) < _SMALLEST_IMAGE:
            raise UsageError(
                f"front_end: an EfficientNet wants images of at least {_SMALLEST_IMAGE} x {_SMALLEST_IMAGE}"
            )

    def trains_like(self, other: Recipe) -> bool:
        """Whether a run of the other can go on as this one.

        It can with another length, another mix and other teachers (the last clips may be of another kind than the
        first), and with another name and what else training does not hear of; but not with other peers.
        """
        same = msgspec.structs.replace(other.optimiser, clips=self.optimiser.clips)
        taught = msgspec.structs.replace(self.teaching, peers=other.teaching.peers)
        return self == msgspec.structs.replace(
            other,
            name=self.name,
            version=self.version,
            mix=self.mix,
            teaching=taught,
            optimiser=same,
            equal_priors=self.equal_priors,
            decision=self.decision,
            licence=self.licence,
            attribution=self.attribution,
        )


def like(recipe: Recipe, model: str) -> Recipe:
    """A recipe with the front-end and the network of a model, by its folder or the name that it ships under.

    Raises:
        UsageError: there is no such model, or it does not tell its network.
        ModelError: its ``model.json`` is wrong.
    """
    description = find_description(model)
    try:
        network = msgspec.convert(description.training.get("network"), Network)
    except msgspec.ValidationError as error:
        raise UsageError(f"{model}: its model.json does not tell what network it is: {error}") from error
    return msgspec.structs.replace(recipe, front_end=description.front_end, network=network)


def read_recipe(path: Path) -> Recipe:
    """Read and validate a recipe: TOML, or JSON where the name ends so, as a training run keeps it.

    Raises:
        UsageError: it is missing, neither, or a key or value is wrong.
    """
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        recipe = decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    try:
        recipe.check()
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return recipe
