"""A model that knows tones instead of words: a real TFLite network with hand-made weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import soundfile

from kws.features.front_end import LOG_MEL
from kws.types import SILENCE, UNKNOWN, Float32Array

RATE = 16000
#: The tone for each keyword, in hertz.
PITCHES = {"on": 500.0, "off": 1500.0, "stop": 4000.0}
#: Number of newest frames over which a band's level is averaged: 0.4 s.
_COLUMNS = 40


def tone(word: str, seconds: float = 0.5, level: float = 0.2) -> Float32Array:
    """Return a tone with the root mean square ``level``."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.float32(level * np.sqrt(2)) * np.sin(2 * np.pi * PITCHES[word] * time).astype(np.float32)


def write_clips(folder: Path, *, count: int = 4) -> Path:
    """Write clips ``WORD/N.wav`` of a second with the tone from 0.24 to 0.74 s, each fainter than the one before."""
    for word in PITCHES:
        (folder / word).mkdir(parents=True)
        for number in range(count):
            clip = np.zeros(RATE, np.float32)
            clip[3840:11840] = tone(word, level=0.2 * 0.8**number)
            soundfile.write(folder / word / f"{number}.wav", clip, RATE)
    return folder


def write_model(folder: Path) -> Path:
    """Write a model folder: each keyword's score is the level of its band over the newest 0.4 s."""
    folder.mkdir(parents=True)
    labels = (SILENCE, UNKNOWN, *PITCHES)
    weights = np.zeros((len(labels), *LOG_MEL.image), np.float32)
    for label, pitch in enumerate(PITCHES.values(), 2):
        time = np.arange(RATE) / RATE
        columns = LOG_MEL.spectrogram((0.2 * np.sin(2 * np.pi * pitch * time)).astype(np.float32))
        weights[label, -_COLUMNS:, columns.mean(axis=0).argmax()] = 4 / _COLUMNS
    bias = np.array([0.0, -10.0, *(-4.0 for _ in PITCHES)], np.float32)
    network = _network(weights.reshape(len(labels), -1), bias, (1, *LOG_MEL.shape))
    (folder / "model.tflite").write_bytes(network)
    description = {
        "format": 1,
        "name": "tones",
        "version": "1.0",
        "labels": labels,
        "front_end": msgspec.structs.asdict(LOG_MEL),
        "sha256": {"model.tflite": hashlib.sha256(network).hexdigest()},
        "decision": {"decision": {"threshold": 0.8, "smoothing": 0.1}},
    }
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def _network(weights: Float32Array, bias: Float32Array, shape: tuple[int, ...]) -> bytes:
    """Return a TFLite network of a fully connected layer and a softmax."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, "tones"
    model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators = [], []

    def tensor(name: str, size: tuple[int, ...], data: Float32Array | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(size), schema.TensorType.FLOAT32, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            made.buffer = len(model.buffers)
            model.buffers.append(buffer)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code: int, inputs: list[int], output: int, options: int, values: object) -> None:
        kind = schema.OperatorCodeT()
        kind.builtinCode = kind.deprecatedBuiltinCode = code
        kind.version = 1
        model.operatorCodes.append(kind)
        made = schema.OperatorT()
        made.opcodeIndex = len(model.operatorCodes) - 1
        made.inputs, made.outputs = inputs, [output]
        made.builtinOptionsType, made.builtinOptions = options, values
        graph.operators.append(made)

    image = tensor("image", shape)
    layers = [image, tensor("weights", weights.shape, weights), tensor("bias", bias.shape, bias)]
    logits, posteriors = tensor("logits", (1, len(bias))), tensor("posteriors", (1, len(bias)))
    operators, options = schema.BuiltinOperator, schema.BuiltinOptions
    operator(operators.FULLY_CONNECTED, layers, logits, options.FullyConnectedOptions, schema.FullyConnectedOptionsT())
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    operator(operators.SOFTMAX, [logits], posteriors, options.SoftmaxOptions, softmax)
    graph.inputs, graph.outputs = [image], [posteriors]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
