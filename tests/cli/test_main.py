from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kws
from kws.cli import parser as make_parser
from tests.support.program import COMMAND, environment, error
from tests.support.program import kws as run

#: What a user who only listens to a file must not have to wait for or have installed.
HEAVY = ("tensorflow", "sounddevice", "soundfile", "soxr", "paho", "rich", "matplotlib")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of all commands below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


PARSERS = {parser.prog: parser for parser in parsers(make_parser())}


def examples(text: str) -> list[str]:
    """The kws commands in the examples of a help text, without what a shell does with them or what they are for."""
    _, _, after = text.partition("\nexamples:\n")
    joined = re.sub(r"\\\n\s*", "", re.sub(r'"\$\(.*?\)"', "WORD", after))
    return re.findall(r"(?:^ *|\| *)(kws (?:[^ |>&#\n]+ ?)*)", joined, re.MULTILINE)


def test_the_commands_of_the_design() -> None:
    wanted = ("listen", "devices", "train", "export", "evaluate clips", "evaluate stream", "bench")
    assert {f"kws {name}" for name in wanted} <= PARSERS.keys()


@pytest.mark.parametrize("name", PARSERS)
def test_help_says_what_it_does_and_shows_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args([*name.split()[1:], "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {name} ")
    found = examples(text)
    assert any(example.startswith(name) for example in found)
    for example in found:
        make_parser().parse_args(shlex.split(example)[1:])  # exits where it is wrong


def test_help_and_version_of_the_program() -> None:
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "spot keywords in the microphone" in result.stdout
    result = run("--version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"kws {kws.__version__}\n", "")


def test_the_installed_script_is_the_same() -> None:
    script = Path(sys.executable).with_name("kws")
    if not script.exists():
        pytest.skip("kws is not installed here")
    result = subprocess.run([script, "--version"], check=True, capture_output=True, text=True)
    assert result.stdout == f"kws {kws.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND (see kws --help)"),
        (["lisen"], "argument COMMAND: invalid choice: 'lisen'"),
        (["listen", "--loud"], "unrecognized arguments: --loud (see kws --help)"),
        (["listen", "--rate", "fast"], '--rate: must be a whole number from 1000 to 768000, not "fast"'),
        (["listen", "--format", "xml"], '--format: must be one of "json", "text", "tsv", not "xml"'),
        (["evaluate"], "the following arguments are required: KIND (see kws evaluate --help)"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str) -> None:
    assert error(run(*arguments), 2).startswith(message)


def loaded(script: str, *arguments: str | Path) -> list[str]:
    """Return which of the heavy modules a script loads."""
    script += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments], check=True, capture_output=True, text=True, env=environment()
    )
    return [name for name in HEAVY if name in result.stderr.split()]


def test_importing_kws_loads_nothing_but_its_own_first_module() -> None:
    script = "import sys; before = set(sys.modules); import kws; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, env=environment())
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - sys.stdlib_module_names == {"kws"}


def test_importing_loads_nothing_heavy() -> None:
    assert loaded("import kws") == []
    assert loaded("import kws.cli, kws.pipeline.pipeline, kws.audio.open, kws.inference.model") == []


def test_listening_to_a_file_loads_what_it_needs(model_folder: Path, spoken: Path) -> None:
    script = "import sys; from kws.cli import main; main(sys.argv[1:])"
    assert loaded(script, "listen", spoken, "--model", model_folder) == ["soundfile"]


#: Parts of kws that listening to a pipe does not use.
UNUSED = {
    "kws.app.checks", "kws.app.live", "kws.app.observers", "kws.app.servers", "kws.audio.ffmpeg",
    "kws.audio.microphone", "kws.audio.network", "kws.audio.portaudio", "kws.audio.wyoming", "kws.cli.run",
    "kws.common.sockets", "kws.config.inforce", "kws.config.writing", "kws.enroll.learn",
    "kws.publishers.exec", "kws.publishers.mqtt.publisher", "kws.publishers.mqtt.session",
    "kws.servers.monitor", "kws.servers.wyoming", "kws.service.clips", "kws.service.metrics",
    "kws.service.systemd",
}  # fmt: skip

#: What takes time to load or to use, by the name that an import gives it.
SLOW = {"csv", "dataclass", "dataclasses", "get_close_matches", "npt", "random", "secrets", "shutil", "socket",
        "subprocess", "tomllib"}  # fmt: skip


def test_listening_to_a_pipe_loads_nothing_that_it_does_not_use(model_folder: Path) -> None:
    script = """if True:
        import json, sys
        from kws.cli import main
        assert main(sys.argv[1:]) == 0
        own = {name: list(vars(module)) for name, module in sys.modules.items() if name.startswith("kws.")}
        print(json.dumps(own), file=sys.stderr)
    """
    command = [sys.executable, "-c", script, "listen", "-", "--rate", "16000", "--model", str(model_folder)]
    done = subprocess.run(command, input=bytes(32000), check=True, capture_output=True, env=environment())
    own = json.loads(done.stderr)
    assert "kws.audio.pipe" in own
    assert not UNUSED & own.keys()
    assert not {(name, slow) for name, names in own.items() for slow in SLOW & {*names}}


def test_a_closed_standard_output_is_nobody_listening(model_folder: Path, spoken: Path) -> None:
    for streams in (">&-", "2>&-", ">&- 2>&-", "<&-"):
        command = shlex.join([*COMMAND, "listen", str(spoken), "--model", str(model_folder)])
        shell = ["sh", "-c", f"{command} {streams}"]
        result = subprocess.run(shell, check=False, capture_output=True, env=environment())
        assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["listen", "{spoken}"], ["bench", "--seconds", "2", "--runs", "1"]])
def test_a_full_disk(model_folder: Path, spoken: Path, arguments: list[str]) -> None:
    filled = [argument.format(spoken=spoken) for argument in arguments]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*COMMAND, *filled, "--model", model_folder], check=False, stdout=full, stderr=subprocess.PIPE,
            env=environment(),
        )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, b"kws: cannot write: No space left on device\n")


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["listen", ""], "INPUT"),
        (["listen", "--scores", ""], "--scores"),
        (["listen", "--settings", ""], "--settings"),
        (["listen", "--model", ""], "--model"),
        (["run", "--config", ""], "--config"),
        (["scan", ""], "DIR"),
        (["scan", "x", "--out", ""], "--out"),
        (["evaluate", "clips", ""], "DIR"),
        (["evaluate", "stream", "x.wav", ""], "AUDIO LABELS"),
        (["mix", "x", "--out", "x.wav", "--noise", ""], "--noise"),
        (["enroll", "word", ""], "WORD CLIP"),
    ],
)
def test_no_argument_is_empty(arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty path would be the current folder."""
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(f"kws: argument {name}: must be text that is not empty (see kws ")
