"""Recipes: everything that decides what a trained model is, in one TOML file that ships beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from kws.common.files import read_file
from kws.errors import UsageError
from kws.features.front_end import PRESETS, FrontEnd
from kws.types import SILENCE, UNKNOWN

#: Positions of the labels in the output of every network.
SILENCE_LABEL, UNKNOWN_LABEL, FIRST_KEYWORD = 0, 1, 2
#: The shares of silence and of unknown words among the examples of a bank, which are half of all.
BANK_PRIORS = (0.06, 0.94)
_SMALLEST_IMAGE = 32
_LONGEST_WARMUP = 0.1  # share of all windows


class NetworkOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the EfficientNet family: B0 scaled in width and depth (arXiv:1905.11946).

    Attributes:
        variant: ``original`` has squeeze-and-excitation and swish. ``lite`` has ReLU6 instead, like Google's
            EfficientNet-Lite: the range of its activations is known, so it loses almost nothing as int8.
        width, depth: factors of the filters and of the repeated blocks.
        dropout: before the last layer.
        drop_connect: drop rate of the last block; earlier blocks have proportionally less.
    """

    variant: Literal["original", "lite"] = "original"
    width: float = 1.0
    depth: float = 1.0
    dropout: float = 0.2
    drop_connect: float = 0.1


class Mix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The windows that the network learns from. Shares are of all windows unless stated; the rest are keywords.

    Attributes:
        unknown: share of other words.
        speech: share of random seconds of running speech, labelled unknown.
        silence: share of noise or near silence.
        beeps: share of the silence that holds beeps, alarms and knocks.
        cut: share of keywords that lie so far outside the window that they are labelled unknown.
        fragment: share of keywords reduced to a head or a tail, joined to running speech: unknown.
        sentence: share of keywords joined without a pause to running speech of the same level: unknown.
        hard: share of speech and other words drawn from what the network mistakes for keywords.
        plain: share of whole words, keywords and others, used as recorded: own place, own level, no added noise.
        shift: largest shift of these, in seconds either way.
        neighbour: share of keywords with another word close before or after.
        talk: share of windows with words or speech that have other people's speech under them.
        talk_snr: lowest and highest level of the words above that speech, in decibels.
        noise: share of windows with background noise.
        snr: lowest and highest signal-to-noise ratio, in decibels.
        room: share of windows heard through a simulated room and microphone.
        speed: share of clips played faster or slower by up to ``speed_range``.
        level: lowest and highest level of the word, in decibels re full scale.
        newest: the word ends at most this many seconds before the window does.
        reuse: mean number of times that a mixed window is used, augmented differently each time.
        filter_gain_db: largest gain or loss of a frequency band, as by other microphones.
        band_limit: share of windows that lose high or low frequencies, as over a telephone line.
        suppression: share of windows in which faint sound is made fainter, as by noise suppression.
        time_masks, time_mask, frequency_masks, frequency_mask: number and largest width, as a share of the image, of
            SpecAugment's masks.
    """

    unknown: float = 0.18
    speech: float = 0.18
    silence: float = 0.06
    beeps: float = 0.0
    cut: float = 0.05
    fragment: float = 0.04
    sentence: float = 0.0
    hard: float = 0.5
    plain: float = 0.0
    shift: float = 0.0
    neighbour: float = 0.15
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
    filter_gain_db: float = 0.0
    band_limit: float = 0.0
    suppression: float = 0.0
    time_masks: int = 2
    time_mask: float = 0.12
    frequency_masks: int = 2
    frequency_mask: float = 0.12

    def priors(self, keywords: int) -> tuple[float, ...]:
        """Return the share of each label: silence, unknown, and that many keywords."""
        unknown = self.unknown + self.speech + self.cut + self.fragment + self.sentence
        keyword = (1.0 - self.silence - unknown) / keywords
        return (self.silence, unknown, *[keyword] * keywords)


class Teaching(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Networks to learn from, besides the labels.

    Attributes:
        teachers: trained models of the same labels, by folder or name, exported with equal priors. Their joint
            answer to a window before augmentation is part of its target (distillation, arXiv:1503.02531).
        ensemble: networks that learn beside the student from the same windows. The joint answer of the moving
            averages of all, student included, is part of every target. Only the student ships.
        share: of the teachers' posteriors in a target, and then of the ensemble's; the rest is the label.
    """

    teachers: tuple[str, ...] = ()
    ensemble: tuple[NetworkOptions, ...] = ()
    share: float = 0.5


class Optimiser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW and its schedule: the rate rises, stays, and falls linearly to zero at the end.

    Attributes:
        clips: windows in total; 0 for a number that suits the recordings.
        batch: windows per step.
        rate: the highest learning rate.
        warmup: windows over which the rate rises, at most a tenth of all.
        decay: share of the windows over which it falls.
        weight_decay: decoupled, for kernels.
        label_smoothing: share of the target given to all labels alike.
        averaging: time constant, in steps, of the moving average of the weights. The average is what ships.
    """

    clips: int = 0
    batch: int = 128
    rate: float = 1.5e-3
    warmup: int = 20_000
    decay: float = 0.4
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    averaging: int = 500
    seed: int = 1

    def rate_after(self, clips: int) -> float:
        """Return the learning rate after ``clips`` windows."""
        up = min(1.0, (clips + self.batch) / max(1.0, min(self.warmup, _LONGEST_WARMUP * self.clips)))
        down = (self.clips - clips) / max(1.0, self.decay * self.clips)
        return self.rate * max(0.0, min(up, down, 1.0))

    def momentum_after(self, clips: int) -> float:
        """Return the share of the average that stays: little at first, while the weights are still random."""
        return 1.0 - 1.0 / min(self.averaging, 1 + clips / self.batch / 5)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole recipe.

    Attributes:
        name, version: of the model.
        keywords: the words to spot.
        other_words: folders of other words that the network learns to tell apart as well. The exported network adds
            their posteriors to that of unknown words.
        front_end: a preset of :data:`kws.features.front_end.PRESETS` or a table with the fields of
            :class:`kws.features.front_end.FrontEnd`.
        network: the architecture.
        start: a model, by folder or name, whose weights training begins with; of the same front-end and network.
            Empty for random weights.
        negatives: learn from the words and sentences that come with kws as well.
        bank: keep the body of ``start``, up to its embedding, and learn from its bank as well: as many embeddings of
            other speech and words as windows.
        mix, teaching, optimiser: what the network learns from, and how.
        held_out_noise: names of folders or files of noise that are kept for evaluation.
        equal_priors: export posteriors for labels of equal prior probability: those of training divided by the shares
            of the labels (arXiv:2007.07314). Otherwise a network prefers frequent labels when in doubt.
        decision: recommended decision settings: the tables ``decision``, ``keyword`` and ``gate`` of a configuration.
        licence: of the model.
        attribution: of the recordings, a line each.
    """

    name: str
    version: str = "1.0"
    keywords: tuple[str, ...]
    other_words: tuple[str, ...] = ()
    front_end: str | FrontEnd = "log-mel"
    network: NetworkOptions = NetworkOptions()
    start: str = ""
    negatives: bool = False
    bank: bool = False
    mix: Mix = Mix()
    teaching: Teaching = Teaching()
    optimiser: Optimiser = Optimiser()
    held_out_noise: tuple[str, ...] = ()
    equal_priors: bool = False
    decision: dict[str, Any] = {}
    licence: str = ""
    attribution: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the exported network, in order."""
        return (SILENCE, UNKNOWN, *self.keywords)

    @property
    def outputs(self) -> int:
        """The outputs of the network in training: its labels, then one for each of ``other_words``."""
        return len(self.labels) + len(self.other_words)

    @property
    def priors(self) -> tuple[float, ...]:
        """The share of each label in training."""
        silence, unknown, *keywords = self.mix.priors(len(self.keywords))
        if not self.bank:
            return (silence, unknown, *keywords)
        return ((silence + BANK_PRIORS[0]) / 2, (unknown + BANK_PRIORS[1]) / 2, *(share / 2 for share in keywords))

    @property
    def resolved_front_end(self) -> FrontEnd:
        if isinstance(self.front_end, FrontEnd):
            return self.front_end
        if self.front_end not in PRESETS:
            raise UsageError(f"front_end: no preset {self.front_end!r}; there are {', '.join(PRESETS)}")
        return PRESETS[self.front_end]

    def check(self) -> None:
        """Raise a UsageError if the recipe cannot be trained."""
        if not self.keywords or not all(self.keywords) or len(set(self.keywords)) != len(self.keywords):
            raise UsageError("keywords: name at least one word, and each once")
        if {SILENCE, UNKNOWN} & set(self.keywords):
            raise UsageError(f"keywords: {SILENCE} and {UNKNOWN} are labels already")
        if len(set(self.other_words) - set(self.keywords)) != len(self.other_words):
            raise UsageError("other_words: name each word once, and no keyword")
        if min(min(n.width, n.depth) for n in (self.network, *self.teaching.ensemble)) <= 0:
            raise UsageError("network: width and depth must be above 0, also in teaching.ensemble")
        if self.optimiser.clips < 0 or self.optimiser.batch < 1:
            raise UsageError("optimiser: batch must be at least 1, and clips too (or 0 to follow the recordings)")
        if self.bank and not self.start:
            raise UsageError("bank: it is that of the model in start, which is missing")
        if not 0.0 <= self.teaching.share <= 1.0:
            raise UsageError("teaching: share must lie between 0 and 1")
        if min(self.resolved_front_end.image) < _SMALLEST_IMAGE:
            raise UsageError(
                f"front_end: an EfficientNet needs images of at least {_SMALLEST_IMAGE} x {_SMALLEST_IMAGE}"
            )

    def as_fitted(self, other: Recipe) -> Recipe:
        """Return this recipe with the window, and if it names none the number of windows, that the other one was given.

        So a run goes on with what its first recordings led to.
        """
        front_end, optimiser = self.resolved_front_end, self.optimiser
        fitted = other.resolved_front_end
        if front_end.fit == "crop" and front_end.with_window(fitted.window) == fitted:
            front_end = fitted
        if not optimiser.clips:
            optimiser = other.optimiser
        bank = self.bank and (other.bank or fitted == self.resolved_front_end)
        return msgspec.structs.replace(self, front_end=front_end, optimiser=optimiser, bank=bank)

    def continues(self, other: Recipe) -> bool:
        """Return True if a run of the other recipe can go on with this one.

        The length, the mix and the teachers may change, and everything that training does not use.
        """
        free = ("name", "version", "negatives", "mix", "equal_priors", "decision", "licence", "attribution")
        changes = {name: getattr(self, name) for name in free}
        teaching = msgspec.structs.replace(self.teaching, ensemble=other.teaching.ensemble)
        optimiser = msgspec.structs.replace(other.optimiser, clips=self.optimiser.clips)
        changes |= {"front_end": self.front_end} if self.resolved_front_end == other.resolved_front_end else {}
        return self == msgspec.structs.replace(other, **changes, teaching=teaching, optimiser=optimiser)


def read_recipe(path: Path) -> Recipe:
    """Read and validate a recipe: TOML, or JSON if the name ends in ``.json``, as a training run keeps it.

    Raises:
        UsageError: the file is missing or not valid; the message names it and the key.
    """
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        recipe = decode(read_file(path), type=Recipe)
        recipe.check()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UsageError) as error:
        raise UsageError(f"{path}: {error}") from error
    return recipe
