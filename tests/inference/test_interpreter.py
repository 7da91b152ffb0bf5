from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kws.errors import ModelError, UsageError
from kws.inference.interpreter import INTERPRETERS, Quantisation, TfliteNetwork, _quantisation, load_interpreter

INT8 = Quantisation(1.0, 0, np.dtype(np.int8))
POSTERIOR = Quantisation(1 / 256, -128, np.dtype(np.int8))

#: Says which interpreter a new process takes when the modules named as arguments are not installed.
WITHOUT = """
import sys
from kws.errors import UsageError
from kws.inference.interpreter import load_interpreter

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
try:
    print(load_interpreter()[0])
except UsageError as error:
    print("error:", error)
"""


def floats(*values: float) -> Any:
    return np.array(values, np.float32)


def test_what_the_type_cannot_hold_is_clipped_and_never_wraps() -> None:
    stored = INT8.store(floats(127.4, 127.6, 128, 300, -128.4, -128.6, -1e9, 1e9, 0))
    assert stored.dtype == np.int8
    assert stored.tolist() == [127, 127, 127, 127, -128, -128, -128, 127, 0]


def test_the_nearest_integer_is_taken() -> None:
    quantisation = Quantisation(0.5, 10, np.dtype(np.uint8))
    assert quantisation.store(floats(0, 0.2, 0.3, -5, -5.2, 122.5, 123)).tolist() == [10, 10, 11, 0, 0, 255, 255]


def test_integers_become_posteriors() -> None:
    loaded = POSTERIOR.load(np.array([-128, 0, 127], np.int8))
    assert loaded.dtype == np.float32
    assert loaded.tolist() == [0, 0.5, 255 / 256]


@given(arrays(np.float32, 20, elements=st.floats(-200, 200, width=32)), st.integers(-128, 127))
def test_storing_loses_half_a_step_at_most(values: Any, zero_point: int) -> None:
    quantisation = Quantisation(0.25, zero_point, np.dtype(np.int8))
    lowest, highest = quantisation.load(np.array([-128, 127], np.int8))
    back = quantisation.load(quantisation.store(values))
    assert np.allclose(back, np.clip(values, lowest, highest), atol=0.125 + 1e-4)


def test_float32_has_no_quantisation() -> None:
    assert _quantisation({"name": "in", "dtype": np.float32, "quantization": (0.0, 0)}) is None
    expected = Quantisation(0.5, -3, np.dtype(np.int8))
    assert _quantisation({"name": "in", "dtype": np.int8, "quantization": (0.5, -3)}) == expected


@pytest.mark.parametrize(("dtype", "kind"), [(np.int32, "int32"), (np.float16, "float16"), (np.bool_, "bool")])
def test_tensors_that_nobody_can_fill(dtype: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"^its tokens is {kind}; float32 or quantised integers are expected$"):
        _quantisation({"name": "tokens", "dtype": dtype, "quantization": (0.0, 0)})


def test_the_interpreters_in_their_order() -> None:
    assert list(INTERPRETERS) == ["ai-edge-litert", "tflite-runtime", "tensorflow"]


def test_an_interpreter_that_nobody_knows() -> None:
    with pytest.raises(UsageError) as caught:
        load_interpreter("onnx")
    assert str(caught.value) == "no interpreter 'onnx'; there are ai-edge-litert, tflite-runtime, tensorflow"


def test_one_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    with pytest.raises(UsageError) as caught:
        load_interpreter("tflite-runtime")
    assert str(caught.value) == "no TFLite interpreter: pip install tflite-runtime"


def test_one_that_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("raise ImportError('numpy.core.multiarray failed to import')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(UsageError, match=r"\(tflite-runtime: numpy\.core\.multiarray failed to import\)"):
        load_interpreter("tflite-runtime")


@pytest.mark.parametrize(
    ("missing", "answer"),
    [
        ([], "ai-edge-litert"),
        (["ai_edge_litert"], "tflite-runtime"),
        (["ai_edge_litert", "tflite_runtime"], "tensorflow"),
        (
            ["ai_edge_litert", "tflite_runtime", "tensorflow"],
            "error: no TFLite interpreter: pip install ai-edge-litert",
        ),
    ],
)
@pytest.mark.process
def test_the_first_that_is_installed_is_taken(tmp_path: Path, missing: list[str], answer: str) -> None:
    # Stand-ins for the two that may not be here; that they work is shown elsewhere.
    for module in INTERPRETERS.values():
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True)
        file.touch()
        for package in module.split(".")[:-1]:
            [folder] = tmp_path.rglob(package)
            (folder / "__init__.py").touch()
    path = os.pathsep.join((str(tmp_path), *sys.path))
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT, *missing], check=True, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert (result.stdout, result.stderr) == (answer + "\n", "")


def test_rubbish_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    for rubbish in (b"", b"rubbish", bytes(5000), b"\x1c\0\0\0TFL3" + bytes(100)):
        path.write_bytes(rubbish)
        with pytest.raises(ModelError) as caught:
            TfliteNetwork(path)
        assert str(caught.value).startswith(f"{path}: ai-edge-litert cannot load this network (")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", ["model.tflite", "model-float32.tflite"])
def test_it_says_nothing_but_its_answer(model_folder: Path, capfd: pytest.CaptureFixture[str], file: str) -> None:
    network = TfliteNetwork(model_folder / file)
    answer = network(np.zeros(network.input_shape, np.float32))
    assert capfd.readouterr() == ("", "")
    assert answer.dtype == np.float32
    assert answer.shape == (network.outputs,)
    assert answer.sum() == pytest.approx(1, abs=0.03)
    assert answer.min() >= 0
    assert answer.max() <= 1


def test_int8_says_nearly_what_float32_says(model_folder: Path) -> None:
    rng = np.random.default_rng(1)
    exact, rounded = (TfliteNetwork(model_folder / file) for file in ("model-float32.tflite", "model.tflite"))
    assert exact._store is None
    assert rounded._store is not None
    assert rounded._store.dtype == np.int8
    for _ in range(20):
        image = rng.normal(-4, 1.5, exact.input_shape).astype(np.float32)
        assert np.abs(exact(image) - rounded(image)).max() < 0.25


def test_an_answer_does_not_change_with_the_next(model_folder: Path) -> None:
    network = TfliteNetwork(model_folder / "model-float32.tflite", threads=2)
    rng = np.random.default_rng(2)
    images = rng.normal(-4, 2, (2, *network.input_shape)).astype(np.float32)
    first = network(images[0])
    kept = first.copy()
    second = network(images[1])
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)
    assert np.array_equal(network(images[0]), first)


def test_two_threads_may_ask_at_the_same_time(model_folder: Path) -> None:
    network = TfliteNetwork(model_folder / "model.tflite")
    images = np.random.default_rng(3).random((2, *network.input_shape), np.float32)
    alone = [network(image) for image in images]
    together: list[list[Any]] = [[], []]

    def ask(number: int) -> None:
        together[number] += [network(images[number]) for _ in range(300)]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they meet everywhere
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    for answers, answer in zip(together, alone, strict=True):
        assert len(answers) == 300
        assert np.array_equal(answers, [answer] * 300)


def test_it_runs_while_a_profiler_keeps_what_functions_held(model_folder: Path) -> None:
    network = TfliteNetwork(model_folder / "model.tflite")
    image = np.zeros(network.input_shape, np.float32)
    frames = []
    sys.setprofile(lambda frame, *_: frames.append(frame))
    try:
        first, second = network(image), network(image)
    finally:
        sys.setprofile(None)
    assert frames
    assert np.array_equal(first, second)


@pytest.mark.training
def test_tensorflow_says_the_same_and_is_as_quiet(model_folder: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs the extra 'train'")
    script = (
        "import sys, numpy as np; from pathlib import Path; from kws.inference.interpreter import TfliteNetwork; "
        "network = TfliteNetwork(Path(sys.argv[1]), interpreter='tensorflow'); "
        "print(*network(np.full(network.input_shape, -4, np.float32)))"
    )
    path = model_folder / "model-float32.tflite"
    result = subprocess.run([sys.executable, "-c", script, path], check=True, capture_output=True, text=True)
    assert result.stderr == ""
    network = TfliteNetwork(path)
    expected = network(np.full(network.input_shape, -4, np.float32))
    assert [float(value) for value in result.stdout.split()] == pytest.approx(expected.tolist(), abs=1e-4)
