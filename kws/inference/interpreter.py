"""TFLite networks, run by the first interpreter that is installed: ai-edge-litert, tflite-runtime or tensorflow.

All three have the same ``Interpreter``. LiteRT is the present name of tflite-runtime and many times faster;
tflite-runtime 2.14 is for 32-bit Arm; tensorflow is there on machines that train.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from kws.common.stderr import silenced
from kws.errors import ModelError, UsageError
from kws.types import Float32Array

if TYPE_CHECKING:
    import numpy.typing as npt

#: Name of the distribution -> module that has ``Interpreter``, in the order of preference.
INTERPRETERS = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "tflite-runtime": "tflite_runtime.interpreter",
    "tensorflow": "tensorflow.lite.python.interpreter",
}


class Quantisation(msgspec.Struct, frozen=True, dict=True):
    """The rule by which a tensor stores real numbers as integers: ``real = (stored - zero_point) * scale``."""

    scale: float
    zero_point: int
    dtype: np.dtype[Any]

    def store(self, values: Float32Array, out: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Round to the nearest integer of the type; values beyond it are clipped, never wrapped.

        Args:
            values: float32, of any shape.
            out: the array for the result, of the same shape and of :attr:`dtype`; None for a new one.
        """
        nearest = values * np.float32(1 / self.scale)
        np.rint(nearest, out=nearest)
        nearest += self.zero_point
        if out is None:
            out = np.empty(values.shape, self.dtype)
        lowest, highest = self._limits
        np.minimum(nearest, highest, out=nearest)
        np.maximum(nearest, lowest, out=out, casting="unsafe")
        return out

    @cached_property
    def _limits(self) -> tuple[np.float32, np.float32]:
        info = np.iinfo(self.dtype)
        return np.float32(info.min), np.float32(info.max)

    def load(self, stored: npt.NDArray[Any]) -> Float32Array:
        """Return the real numbers, float32."""
        return (stored.astype(np.float32) - self.zero_point) * np.float32(self.scale)


class TfliteNetwork:
    """A TFLite network, float32 or integer; any thread may call it, with float32.

    It has one input. Its first output is the posteriors; it may have a second one, the embedding.

    Args:
        path: the ``.tflite`` file.
        interpreter: one of :data:`INTERPRETERS`; None for the first that is installed.
        threads: threads for one call.

    Raises:
        UsageError: this interpreter, or any, is not installed.
        ModelError: the interpreter cannot load the file.
    """

    def __init__(self, path: Path, *, interpreter: str | None = None, threads: int = 1) -> None:
        self._lock = threading.Lock()
        # All three print a greeting to standard error, which no setting prevents; tensorflow also warns of its age.
        with silenced(), warnings.catch_warnings(action="ignore"):
            self.interpreter, module = load_interpreter(interpreter)
            try:
                self._interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
            except (ValueError, RuntimeError) as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise ModelError(f"{path}: {self.interpreter} cannot load this network ({reason})") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) not in (1, 2):
            raise ModelError(f"{path}: has {len(inputs)} inputs and {len(outputs)} outputs; 1 and 1 or 2 are expected")
        self._input = inputs[0]
        self._stored = np.empty(self._input["shape"], self._input["dtype"])
        try:
            self._store = _quantisation(self._input)
            self._outputs = [_Output(self._interpreter, output) for output in outputs]
        except ValueError as error:
            raise ModelError(f"{path}: {error}") from error

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch."""
        return tuple(int(size) for size in self._input["shape"][1:])

    @property
    def outputs(self) -> int:
        """The number of posteriors that the network returns for one example."""
        return self._outputs[0].size

    @property
    def embedding(self) -> int:
        """The length of the embedding; 0 if the network has none."""
        return self._outputs[1].size if len(self._outputs) > 1 else 0

    def stored(self, images: Float32Array) -> npt.NDArray[Any]:
        """Return images, one or many, as the network's input holds them."""
        return self._store.store(images) if self._store else images

    def __call__(self, image: Float32Array) -> Float32Array:
        """Run the network on one example: float32 ``input_shape`` -> posteriors ``(outputs,)``."""
        with self._lock:
            self._invoke(image)
            return self._outputs[0].read()

    def embed(self, image: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Run a network that has an embedding: -> posteriors ``(outputs,)``, embedding ``(embedding,)``."""
        with self._lock:
            self._invoke(image)
            posteriors, embedding = self._outputs
            return posteriors.read(), embedding.read()

    def _invoke(self, image: Float32Array) -> None:
        # The tensors are copied. The interpreter refuses to run while a view of its memory exists, and a profiler, such
        # as that of Dask, keeps what is in a function's variables.
        if self._store:
            self._store.store(image, self._stored[0])
        else:
            self._stored[0] = image
        self._interpreter.set_tensor(self._input["index"], self._stored)
        self._interpreter.invoke()


class _Output:
    """One output of an interpreter."""

    def __init__(self, interpreter: Any, details: dict[str, Any]) -> None:
        self.size = int(np.prod(details["shape"][1:]))
        self._interpreter, self._index = interpreter, details["index"]
        self._load = _quantisation(details)

    def read(self) -> Float32Array:
        """Return a copy of the values, float32 ``(size,)``."""
        stored: Float32Array = self._interpreter.get_tensor(self._index).reshape(-1)
        return self._load.load(stored) if self._load else stored


def load_interpreter(name: str | None = None) -> tuple[str, Any]:
    """Return the name and the module of this interpreter, or of the first that is installed.

    Raises:
        UsageError: it is unknown or not installed; the message says what to install.
    """
    if name is not None and name not in INTERPRETERS:
        raise UsageError(f"no interpreter {name!r}; there are {', '.join(INTERPRETERS)}")
    reasons = []
    for candidate in INTERPRETERS if name is None else (name,):
        try:
            return candidate, importlib.import_module(INTERPRETERS[candidate])
        except ImportError as error:
            if not isinstance(error, ModuleNotFoundError):
                reasons.append(f"{candidate}: {error}")
    broken = f" ({'; '.join(reasons)})" if reasons else ""
    raise UsageError(f"no TFLite interpreter{broken}: pip install {name or 'ai-edge-litert'}")


def _quantisation(tensor: dict[str, Any]) -> Quantisation | None:
    """Return the quantisation of a tensor, or None for float32.

    Raises:
        ValueError: the tensor is neither float32 nor quantised integers.
    """
    dtype = np.dtype(tensor["dtype"])
    if dtype == np.float32:
        return None
    scale, zero_point = tensor["quantization"]
    if dtype.kind not in "iu" or scale <= 0:
        raise ValueError(f"its {tensor['name']} is {dtype}; float32 or quantised integers are expected")
    return Quantisation(float(scale), int(zero_point), dtype)
