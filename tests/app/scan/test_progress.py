from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.app.scan.progress import ProgressFile
from kws.app.scan.recordings import Recording
from kws.app.scan.work import Outcome
from kws.errors import UsageError

SETTINGS = {"model": "tones 1.0", "decision.keywords": ("on", "off"), "keyword.on.threshold": 0.8}
ON = {"keyword": "on", "score": 0.9, "start": 0.5, "end": 0.85}


def outcome(number: int) -> Outcome:
    name = f"{number}\udcff\n.wav"  # not UTF-8, and two lines
    found = (ON,) * (number % 3)
    return Outcome(name=name, path=f"/calls/{name}", size=number, mtime=10**18 + number, seconds=1.5, detections=found)


def recording(one: Outcome) -> Recording:
    return Recording(one.name, one.path, one.size, one.mtime)


OUTCOMES = [outcome(number) for number in range(5)]


def written(folder: Path, *outcomes: Outcome) -> Path:
    """Return a progress file with these outcomes."""
    with ProgressFile(folder / "found.csv", SETTINGS) as progress:
        for one in outcomes:
            progress.add(one)
    return folder / "found.csv.progress"


def kept(folder: Path) -> list[Outcome]:
    with ProgressFile(folder / "found.csv", SETTINGS) as progress:
        return list(progress.outcomes.values())


def test_outcomes_are_read_as_they_were_written(tmp_path: Path) -> None:
    written(tmp_path, *OUTCOMES[:2])
    written(tmp_path, *OUTCOMES[2:])
    assert kept(tmp_path) == OUTCOMES


@given(cut=st.integers(0, 2000), junk=st.sampled_from([b"", b"\0\0\0", b"{", b"[]\n", b"\xff\n"]))
def test_a_file_that_is_cut_or_damaged_at_its_end_loses_only_that(cut: int, junk: bytes) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = written(folder, *OUTCOMES)
        whole = file.read_bytes()
        complete = whole[:cut].count(b"\n") - 1  # without the first line
        file.write_bytes(whole[:cut] + (junk if complete >= 0 else b""))
        found = kept(folder)
        assert found == OUTCOMES[: max(0, complete)]
        written(folder, *OUTCOMES[len(found) :])
        assert kept(folder) == OUTCOMES


def test_the_latest_outcome_of_a_recording_counts(tmp_path: Path) -> None:
    again = msgspec.structs.replace(OUTCOMES[1], detections=())
    written(tmp_path, *OUTCOMES, again)
    assert kept(tmp_path) == [OUTCOMES[0], again, *OUTCOMES[2:]]


def test_what_changed_or_had_a_problem_is_not_done(tmp_path: Path) -> None:
    well, damaged = OUTCOMES[1], msgspec.structs.replace(OUTCOMES[2], problem="damaged")
    with ProgressFile(tmp_path / "found.csv", SETTINGS) as progress:
        progress.add(well)
        progress.add(damaged)
        assert progress.is_done(recording(well))
        assert not progress.is_done(recording(well)._replace(size=99))
        assert not progress.is_done(recording(well)._replace(mtime=99))
        assert not progress.is_done(recording(damaged))
        assert not progress.is_done(recording(OUTCOMES[3]))


def test_names_are_those_of_today_and_what_has_gone_stays(tmp_path: Path) -> None:
    with ProgressFile(tmp_path / "found.csv", SETTINGS) as progress:
        progress.add(OUTCOMES[1])
        progress.add(OUTCOMES[2])
        named = list(progress.named([recording(OUTCOMES[1])._replace(name="other/name.wav")]))
    assert [one.name for one in named] == ["other/name.wav", OUTCOMES[2].name]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({**SETTINGS, "model": "tones 2.0"}, 'was made with model "tones 1.0", not "tones 2.0"'),
        ({**SETTINGS, "decision.keywords": ["on"]}, 'was made with decision.keywords ["on", "off"], not ["on"]'),
        ({**SETTINGS, "keyword.no.threshold": 0.5}, "was made with keyword.no.threshold null, not 0.5"),
        ({"model": "tones 1.0"}, 'was made with decision.keywords ["on", "off"], not null'),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, settings: dict[str, object], problem: str) -> None:
    file = written(tmp_path, *OUTCOMES)
    before = file.read_bytes()
    with pytest.raises(UsageError) as caught:
        ProgressFile(tmp_path / "found.csv", settings)
    assert str(caught.value) == f"{file}: {problem}; choose another --out, or remove it to scan all again"
    assert file.read_bytes() == before


def test_settings_may_change_while_nothing_is_scanned(tmp_path: Path) -> None:
    written(tmp_path)
    with ProgressFile(tmp_path / "found.csv", {"model": "other"}) as progress:
        progress.add(OUTCOMES[1])
    with ProgressFile(tmp_path / "found.csv", {"model": "other"}) as progress:
        assert list(progress.outcomes.values()) == [OUTCOMES[1]]


def test_two_scans_cannot_write_one_file(tmp_path: Path) -> None:
    with (
        ProgressFile(tmp_path / "found.csv", SETTINGS),
        pytest.raises(UsageError, match=r"found\.csv\.progress: another kws scan is writing it$"),
    ):
        ProgressFile(tmp_path / "found.csv", SETTINGS)
    assert kept(tmp_path) == []


def test_files_that_are_not_ours_are_refused_and_stay(tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"found\.csv: exists, but found\.csv\.progress does not"):
        ProgressFile(tmp_path / "found.csv", SETTINGS)
    (tmp_path / "found.csv.progress").write_text("mine\n")
    with pytest.raises(UsageError, match=r"found\.csv\.progress: is no progress file of this version of kws scan"):
        ProgressFile(tmp_path / "found.csv", SETTINGS)
    assert [path.read_text() for path in sorted(tmp_path.iterdir())] == ["mine", "mine\n"]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none/found\.csv\.progress: No such file or directory"):
        ProgressFile(tmp_path / "none" / "found.csv", SETTINGS)
