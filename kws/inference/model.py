"""The model folder: ``model.json`` and the TFLite networks that it describes.

``model.json`` holds all that the runtime must know about the networks beside it, and their SHA-256. Parts that do not
fit together raise an error that names them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from kws.common.digest import sha256_of_file
from kws.common.files import read_file
from kws.common.names import composed
from kws.errors import ModelError, UsageError
from kws.features.front_end import FrontEnd
from kws.inference.interpreter import TfliteNetwork
from kws.types import SILENCE, UNKNOWN, Float32Array

MODEL_FILE = "model.json"
DEFAULT_NETWORK = "model.tflite"
FLOAT32_NETWORK = "model-float32.tflite"
_FORMAT = 1


class Description(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of ``model.json``.

    Attributes:
        format: the format of this file, 1.
        name: the name of the model.
        version: its version.
        labels: the meaning of the network's outputs: silence, unknown, then the keywords.
        front_end: turns a window into the network's input.
        sha256: by the name of each ``.tflite`` file beside it.
        embedding: number of the inner features that each network has as a second output; 0 if they have none.
        enrolled: labels that are enrolled words, the last ones; never in the file.
        decision: recommended decision settings, unchecked: see :func:`kws.decision.recommended`.
        licence: the licence of the model.
        attribution: the recordings that it was trained on.
        training: the recipe and the data.
        metrics: the results, and the command that measured them.
    """

    format: int
    name: str
    version: str
    labels: tuple[str, ...]
    front_end: FrontEnd
    sha256: dict[str, str]
    embedding: int = 0
    enrolled: tuple[str, ...] = ()
    decision: dict[str, Any] = {}
    licence: str = ""
    attribution: tuple[str, ...] = ()
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "labels", tuple(map(composed, self.labels)))

    @property
    def keywords(self) -> tuple[str, ...]:
        """The labels without silence and unknown."""
        return tuple(label for label in self.labels if label not in (SILENCE, UNKNOWN))


class Model:
    """A description and one of its networks, loaded.

    Args:
        path: a model folder, or one of its ``.tflite`` files.
        interpreter: see :class:`kws.inference.interpreter.TfliteNetwork`.
        threads: threads for one window.

    Raises:
        ModelError: a file is missing, altered or does not fit.
        UsageError: the interpreter is not installed.
    """

    def __init__(self, path: Path, *, interpreter: str | None = None, threads: int = 1) -> None:
        folder, file = _folder_and_file(path)
        self.description = read_description(folder)
        self.path = folder / file
        _verify(self.path, self.description)
        self.network = TfliteNetwork(self.path, interpreter=interpreter, threads=threads)
        if self.network.outputs != len(self.description.labels):
            raise ModelError(
                f"{folder / MODEL_FILE}: names {len(self.description.labels)} labels, "
                f"but {file} has {self.network.outputs} outputs"
            )
        if self.network.embedding != self.description.embedding:
            raise ModelError(
                f"{folder / MODEL_FILE}: says that the embedding has {self.description.embedding} values, "
                f"but that of {file} has {self.network.embedding}"
            )
        if self.network.input_shape != self.front_end.shape:
            raise ModelError(
                f"{folder / MODEL_FILE}: the front-end makes images of {self.front_end.shape}, "
                f"but {file} takes {self.network.input_shape}"
            )

    @property
    def name(self) -> str:
        return self.description.name

    @property
    def labels(self) -> tuple[str, ...]:
        return self.description.labels

    @property
    def key(self) -> str:
        """Text that is the same only where the posteriors are, but for the interpreter."""
        return self.description.sha256[self.path.name]

    @property
    def front_end(self) -> FrontEnd:
        return self.description.front_end

    def embed(self, spectrogram: Float32Array) -> tuple[Float32Array, Float32Array]:
        """Return the posteriors and the embedding ``(embedding,)`` of one spectrogram; the model must have one."""
        return self.network.embed(self.front_end.fit_image(spectrogram))

    def posteriors(self, spectrogram: Float32Array) -> Float32Array:
        """Return the posteriors ``(labels,)`` of one spectrogram, float32 ``(frames, bins)``; they sum to 1."""
        return self.network(self.front_end.fit_image(spectrogram))


def find_description(name: str) -> Description:
    """Read the description of a model that :func:`find_model` finds, without loading a network.

    Raises:
        UsageError: there is no such model.
        ModelError: its description is wrong.
    """
    return read_description(_folder_and_file(find_model(name))[0])


def _folder_and_file(path: Path) -> tuple[Path, str]:
    return (path.parent, path.name) if path.suffix == ".tflite" else (path, DEFAULT_NETWORK)


def float32_network(folder: Path, who: str) -> Path:
    """Return the float32 network of a model folder. The error says that ``who`` float32 weights.

    Raises:
        UsageError: the folder has none.
    """
    path = folder / FLOAT32_NETWORK
    if not path.is_file():
        raise UsageError(f"{path}: missing; {who} float32 weights (kws export --networks int8,float32)")
    return path


def read_description(folder: Path) -> Description:
    """Read ``model.json``.

    Raises:
        ModelError: it is missing or wrong; the message names the key.
    """
    path = folder / MODEL_FILE
    try:
        data = read_file(path)
        description = msgspec.json.decode(data, type=Description)
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: no model here ({MODEL_FILE} is missing)") from error
    except NotADirectoryError as error:
        raise ModelError(f"{folder}: not a model folder") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, UsageError) as error:  # the last from the front-end
        raise ModelError(f"{path}: {error}") from error
    _check(path, description)
    return description


def _check(path: Path, description: Description) -> None:
    """Check what msgspec does not: that the parts of a description fit together."""
    if description.format != _FORMAT:
        raise ModelError(f"{path}: format {description.format}; this version of kws reads format {_FORMAT}")
    labels = description.labels
    if labels[:2] != (SILENCE, UNKNOWN) or not description.keywords or len(set(labels)) != len(labels):
        raise ModelError(f"{path}: labels must be {SILENCE}, {UNKNOWN} and at least one keyword, all distinct")


def _verify(path: Path, description: Description) -> None:
    expected = description.sha256.get(path.name)
    if expected is None:
        raise ModelError(f"{path.parent / MODEL_FILE}: has no sha256 for {path.name}")
    try:
        found = sha256_of_file(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: missing, though {MODEL_FILE} names it") from error
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if found != expected:
        raise ModelError(f"{path}: its SHA-256 is not the one in {MODEL_FILE}: damaged or altered; install it again")


def find_model(name: str) -> Path:
    """Return the path of a model, given the path of its folder or network, or the name of one that ships with kws.

    A folder that has the name of a model that ships, but holds no model, does not hide it.

    Raises:
        UsageError: there is no such model; the message lists those that ship.
        ModelError: the path cannot be accessed.
    """
    path = Path(name)
    shipped = _shipped()
    first, _, rest = name.partition("/")
    try:
        if path.is_file() or (path / MODEL_FILE).is_file():
            return path
        if first in shipped and (shipped[first] / rest).exists():
            return shipped[first] / rest
        if path.exists():
            return path  # opening it raises the right error
    except OSError as error:
        raise ModelError(f"{name}: {error.strerror}") from error
    raise UsageError(f"{name}: no such model folder, and none of this name ships ({', '.join(shipped) or 'none'})")


def _shipped() -> dict[str, Path]:
    """Return the folders of the models that ship, by name."""
    # An installation has the models inside the package, a checkout beside it.
    package = Path(__file__).parent
    place = next((place for place in (package / "models", package.parent / "models") if place.is_dir()), package)
    return {folder.name: folder for folder in sorted(place.iterdir()) if (folder / MODEL_FILE).is_file()}
