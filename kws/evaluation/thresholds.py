"""Recommended thresholds in the form that the configuration and ``--settings`` take."""

from __future__ import annotations

import json
import re

from kws.evaluation.choose import Choice


def as_toml(choice: Choice, comment: str = "") -> str:
    """A table for each keyword, such as ``[keyword.on]``, after a comment of one line."""
    tables = [f"# {comment}\n"] if comment else []
    for keyword, pick in choice.picks.items():
        name = keyword if re.fullmatch(r"[A-Za-z0-9_-]+", keyword) else json.dumps(keyword, ensure_ascii=False)
        tables.append(f"[keyword.{name}]\nthreshold = {pick.threshold:g}\n")
    return "\n".join(tables)


def describe(choice: Choice, hours: float) -> str:
    """What the thresholds are for, in one line."""
    unit = "false accept" if choice.budget == 1 else "false accepts"
    return f"kws evaluate stream: for {choice.budget:g} {unit} an hour, chosen on {hours:.2f} h of sound"
