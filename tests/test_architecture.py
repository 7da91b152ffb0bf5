"""The layout of the code: which package may import which, and names that mean one thing."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from tests.support import ROOT
from tests.support.imports import PACKAGES, imports, modules

#: To be put right: each entry here goes with the change that makes it true.
DEBTS: set[str] = set()
SHARED_NAMES: set[str] = set()

#: Packages that measure and train; the service must run without them.
OFFLINE = {"corpus", "evaluation", "training"}


def test_packages_import_only_from_those_above_them() -> None:
    wrong = []
    for name, tree in modules():
        package = name.partition(".")[0]
        if package in ("", "__main__"):
            continue
        later = set(PACKAGES[PACKAGES.index(package) + 1 :])
        wrong += [f"{name} imports {other}" for other in sorted(imports(tree) & later)]
    assert not set(wrong) - DEBTS


def test_the_service_runs_without_what_measures_and_trains() -> None:
    needed = {name.partition(".")[0]: set[str]() for name, _ in modules()}
    for name, tree in modules():
        needed[name.partition(".")[0]] |= imports(tree)
    assert not {name for name, others in needed.items() if others & OFFLINE} - OFFLINE - {"cli"}


def test_no_two_classes_share_a_name() -> None:
    classes = Counter(node.name for _, tree in modules() for node in tree.body if isinstance(node, ast.ClassDef))
    assert {name for name, count in classes.items() if count > 1 and not name.startswith("_")} <= SHARED_NAMES


def test_few_modules_at_the_root() -> None:
    assert len(list(Path(ROOT, "kws").glob("*.py"))) <= 6
