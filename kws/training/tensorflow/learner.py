"""Learning with TensorFlow: a :class:`kws.training.train.Learner`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from kws.training.bank_examples import BankExamples
from kws.training.recipe import FIRST_KEYWORD, Recipe
from kws.training.runs import Weights
from kws.training.start import Start
from kws.training.tensorflow import keras, tf
from kws.training.tensorflow.network import build_network, halves, set_normalisation, weights_of
from kws.training.tensorflow.start import begin
from kws.training.train import Answer
from kws.training.workers import Part
from kws.types import Float32Array

_LONGEST_GRADIENT = 5.0


class TensorFlowLearner:
    """A network, the moving average of its weights, and AdamW."""

    framework: ClassVar[str] = "TensorFlow"

    def __init__(self, recipe: Recipe, examples: Float32Array, start: Start | None = None) -> None:
        settings = self._settings = recipe.optimiser
        keras.utils.set_random_seed(settings.seed)  # of the first weights, and of dropout
        self.device = "a graphics card" if tf.config.list_physical_devices("GPU") else "the processor"
        self._labels = len(recipe.labels)
        self.model, self.averaged = (
            build_network(recipe.network, examples.shape[1:], recipe.outputs) for _ in range(2)
        )
        if start is None:
            set_normalisation(self.model, examples.mean(axis=(0, 1, 3)), examples.var(axis=(0, 1, 3)))
        else:
            begin(self.model, start, recipe, examples)
        self.averaged.set_weights(self.model.get_weights())
        self._body, self._head = halves(self.model)
        self._bank = None
        if start is not None and start.bank is not None:
            self._body.trainable = False
            embeddings = self._body.predict(examples, verbose=0).reshape(len(examples), -1)
            self._bank = BankExamples(start.bank, recipe.keywords, embeddings, settings.seed)
        self._optimiser = keras.optimizers.AdamW(
            settings.rate, weight_decay=settings.weight_decay, global_clipnorm=_LONGEST_GRADIENT
        )
        # Decay is for kernels, not for biases and batch normalisation.
        self._optimiser.exclude_from_weight_decay(
            var_list=[v for v in self.model.trainable_variables if "kernel" not in v.name]
        )
        self._optimiser.build(self.model.trainable_variables)
        self._loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
        self._finish()

    def step(self, parts: Sequence[Part], clips: int) -> Answer:
        images = np.concatenate([part.augmented for part in parts])
        targets = np.concatenate([part.targets for part in parts])
        rate, momentum = self._settings.rate_after(clips), self._settings.momentum_after(clips)
        none = np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
        others, labels, places = self._bank.draw(len(images)) if self._bank else none
        others = others.reshape(-1, *self._head.input_shape[1:])
        targets = np.concatenate([targets, np.eye(targets.shape[1], dtype=np.float32)[labels]])
        loss, keyword = self._step(images, others, targets, tf.constant(rate), tf.constant(momentum))

        def answer() -> tuple[float, Float32Array]:
            mixed, of_others = np.split(keyword.numpy(), [len(images)])
            if self._bank:
                self._bank.report(places, of_others)
            return float(loss), mixed

        return answer

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def _step(self, images: Any, others: Any, targets: Any, rate: Any, momentum: Any) -> Any:
        self._optimiser.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            embeddings = self._body(images, training=self._bank is None)
            posteriors = self._head(tf.concat([embeddings, others], 0), training=True)
            loss = self._loss(targets, posteriors)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self._optimiser.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
        for average, variable in zip(self.averaged.variables, self.model.variables, strict=True):
            if variable.dtype.is_floating:
                average.assign_sub((1.0 - momentum) * (average - variable))
        return loss, tf.reduce_sum(posteriors[:, FIRST_KEYWORD : self._labels], axis=1)

    def posteriors(self, images: Float32Array) -> Float32Array:
        parts = [self.averaged(images[i : i + 256], training=False).numpy() for i in range(0, len(images), 256)]
        return np.concatenate(parts)

    def weights(self) -> Weights:
        return weights_of(self.averaged)

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.averaged.variables, *self._optimiser.variables]

    def state(self) -> list[npt.NDArray[Any]]:
        return [variable.numpy() for variable in self._variables()]

    def restore(self, state: Sequence[npt.NDArray[Any]]) -> None:
        for variable, value in zip(self._variables(), state, strict=True):
            variable.assign(value)
        self._finish()

    def _finish(self) -> None:
        for model in (self.model, self.averaged):
            model.get_layer("normalisation").finalize_state()  # Keras copies these weights
