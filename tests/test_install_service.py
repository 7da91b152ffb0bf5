"""The systemd units, checked by systemd itself, and the script that installs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UNIT = ROOT / "systemd" / "kws.service"
USER_UNIT = ROOT / "systemd" / "user" / "kws.service"

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd"),
]


def script(*arguments: str | Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "install-service", *arguments],
        # Without the dependencies: the service is not started here.
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHON": sys.executable, "PIP_NO_DEPS": "1",
             **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))},
             **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def verify(unit: Path, program: str, tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Let systemd check a unit, with a program that exists."""
    text = unit.read_text()
    assert f"ExecStart={program} run " in text
    copy = tmp_path / "kws.service"
    copy.write_text(text.replace(f"ExecStart={program} ", "ExecStart=/bin/true "))
    return subprocess.run(
        ["systemd-analyze", *options, "verify", copy],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_systemd_has_nothing_to_say_about_the_unit_of_the_system(tmp_path: Path) -> None:
    done = verify(UNIT, "/opt/kws/bin/kws", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_has_nothing_to_say_about_the_unit_of_a_user(tmp_path: Path) -> None:
    done = verify(USER_UNIT, "%h/.local/share/kws/bin/kws", tmp_path, "--user")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_unit_with_a_mistake_is_found_out(tmp_path: Path) -> None:
    broken = tmp_path / "broken.service"
    broken.write_text(UNIT.read_text().replace("WatchdogSec=60", "WatchdogSec=soon"))
    # Debian 12: "Failed to parse sec value, ignoring: soon"; Debian 13: "Failed to parse WatchdogSec=soon, ignoring".
    assert re.search("Failed to parse .*soon", verify(broken, "/opt/kws/bin/kws", tmp_path).stderr)


def test_what_the_service_of_the_system_is_exposed_to() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", UNIT],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = re.search(r"Overall exposure level for kws.service: ([\d.]+)", done.stdout)
    assert found
    assert float(found[1]) <= 1.5
    assert done.returncode == 0


@pytest.mark.parametrize("unit", [UNIT, USER_UNIT])
def test_every_line_of_a_unit_says_why(unit: Path) -> None:
    for before, line in pairwise(unit.read_text().splitlines()):
        if "=" in line and not line.startswith(("#", "Description=")):
            assert before.startswith("# "), line


def test_the_two_units_say_the_same_of_the_same() -> None:
    def settings(unit: Path) -> dict[str, str]:
        lines = [line for line in unit.read_text().splitlines() if re.match(r"[A-Z]\w+=", line)]
        return dict(line.split("=", 1) for line in lines)

    system, user = settings(UNIT), settings(USER_UNIT)
    assert set(user) <= set(system)
    differ = {name for name in user if user[name] != system[name]}
    assert differ == {"After", "ExecStart", "WantedBy"}


def everything(folder: Path) -> dict[str, str]:
    """Return the files of a folder with their contents, without those of the virtual environment."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file() and not name.startswith("opt/kws/"):
            found[name] = path.read_text()
    return {name: text for name, text in found.items() if not name.startswith("opt/kws/")}


def test_installed_twice_and_removed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    before = set(ROOT.iterdir())
    done = script("--root", root, home=tmp_path)
    assert done.returncode == 0, done.stderr
    config = root / "etc" / "kws" / "kws.toml"
    assert f"now edit {config}" in done.stdout
    installed = {
        "etc/kws/kws.toml": (ROOT / "docs" / "kws.example.toml").read_text(),
        "etc/systemd/system/kws.service": UNIT.read_text(),
        "etc/systemd/system/multi-user.target.wants/kws.service": "-> /etc/systemd/system/kws.service",
        "usr/local/bin/kws": "-> /opt/kws/bin/kws",
    }
    drop_in = "etc/systemd/system/kws.service.d/notify-reload.conf"
    if systemd_version() >= 253:
        installed[drop_in] = (ROOT / "systemd" / "notify-reload.conf").read_text()
    assert everything(root) == installed
    program = root / "opt" / "kws" / "bin" / "kws"
    assert program.read_text().splitlines()[0] == "#!/opt/kws/bin/python"
    assert program.stat().st_mode & 0o555 == 0o555
    found = subprocess.run(
        [root / "opt" / "kws" / "bin" / "python", "-c", "import kws; print(kws.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()).is_relative_to(root)
    assert list(root.rglob("models/commands/model.json"))
    assert set(ROOT.iterdir()) == before  # building left nothing behind

    config.write_text("# mine\n")
    again = script("--root", root, home=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"{config} stays as it was" in again.stdout
    assert everything(root) == installed | {"etc/kws/kws.toml": "# mine\n"}

    for _ in range(2):
        removed = script("--root", root, "--remove", home=tmp_path)
        assert removed.returncode == 0, removed.stderr
        assert everything(root) == {"etc/kws/kws.toml": "# mine\n"}
        assert not (root / "opt" / "kws").exists()


def systemd_version() -> int:
    told = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split()[1])


def test_what_would_be_done_is_only_said(tmp_path: Path) -> None:
    done = script("--user", "--dry-run", home=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    target = f"{tmp_path}/.local/share/kws"
    assert lines[:3] == [
        f"{sys.executable} -m venv {target}",
        f"{target}/bin/python -m pip install --quiet --disable-pip-version-check --upgrade {ROOT}[metrics]",
        f"install -d {tmp_path}/.local/bin {tmp_path}/.config/systemd/user",
    ]
    assert f"install -m 600 {ROOT}/docs/kws.example.toml {tmp_path}/.config/kws/kws.toml" in lines
    assert f"install -m 644 {USER_UNIT} {tmp_path}/.config/systemd/user/kws.service" in lines
    assert "systemctl --user enable kws.service" in lines
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "opt" / "kws"
    theirs.mkdir(parents=True)
    (theirs / "data").touch()
    done = script("--root", tmp_path, home=tmp_path)
    assert (done.returncode, done.stderr) == (
        1, f"install-service: {theirs} is there and is not kws; nothing was changed\n",
    )  # fmt: skip
    assert script("--root", tmp_path, "--remove", home=tmp_path).returncode == 0
    assert (theirs / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--everything"], "there is no option --everything (see --help)"),
        (["--root"], "--root needs a value"),
        (["--user", "--root", "/x"], "--root is for the system, not for --user"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], problem: str, tmp_path: Path) -> None:
    done = script(*arguments, home=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"install-service: {problem}\n")


def test_a_python_that_is_too_old_is_said(tmp_path: Path) -> None:
    done = script("--root", tmp_path / "root", home=tmp_path, PYTHON="/bin/false")
    assert (done.returncode, done.stderr) == (2, "install-service: kws needs Python 3.11 or newer; set PYTHON to one\n")


def test_it_says_how_it_is_used(tmp_path: Path) -> None:
    done = script("--help", home=tmp_path)
    assert done.returncode == 0
    assert "--remove" in done.stdout
    assert "set -eu" not in done.stdout
