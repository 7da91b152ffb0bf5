"""The packages of kws and what they import from each other, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache

from tests.support import ROOT

#: In import order: each may import from those before it, never from those after it.
PACKAGES = (
    "errors", "types", "common", "audio", "features", "inference", "decision", "pipeline", "enroll", "publishers",
    "servers", "config", "service", "app", "corpus", "evaluation", "training", "cli",
)  # fmt: skip


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """Return each module of kws: its dotted name without the ``kws.``, and its syntax tree."""
    found = []
    for path in sorted((ROOT / "kws").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "kws").with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found.append((name, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(found)


def imports(tree: ast.Module) -> set[str]:
    """Return the packages of kws that a module imports, at its top or in a function."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("kws."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("kws.")}
    return names


def graph() -> dict[str, set[str]]:
    """Return the packages that exist, in import order, each with those that it imports."""
    found: dict[str, set[str]] = {}
    for name, tree in modules():
        package = name.partition(".")[0]
        if package in PACKAGES:
            found.setdefault(package, set()).update(imports(tree) - {package})
    return {package: found[package] for package in PACKAGES if package in found}


def reduced(edges: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each import that another import implies, for a picture that can be read."""

    def reachable(start: str) -> set[str]:
        found: set[str] = set()
        pending = [start]
        while pending:
            for target in edges.get(pending.pop(), set()) - found:
                found.add(target)
                pending.append(target)
        return found

    return {
        package: {one for one in targets if not any(one in reachable(other) for other in targets - {one})}
        for package, targets in edges.items()
    }
