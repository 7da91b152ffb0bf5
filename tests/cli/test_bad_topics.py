"""``kws check`` and ``kws run`` refuse the same values: what a broker would not take in a topic or as a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from kws.cli import main

PREFIXES = ["a/#", "+", "#", "", "/x/", "x/", "a//b", "$SYS", "$share/a", "a\\nb", "a\\u0000", "x" * 201]
REFUSED = ["a\\u0085b", "a\\uFDD0b", "a\\uFFFEb", "a\\U0010FFFFb"]  # a broker ends the connection
LEVELS = ["a/b", "+", "#", "", "a\\nb", "x" * 201]
SITES = [*LEVELS, "a b", "küche", "x" * 65]
BAD = (
    *((f'[mqtt]\nprefix = "{value}"', "mqtt.prefix") for value in [*PREFIXES, *REFUSED]),
    *((f'[mqtt]\nsite = "{value}"', "mqtt.site") for value in SITES),
    *((f'[mqtt]\narbitration = "{value}"', "mqtt.arbitration") for value in SITES),
    *((f'[mqtt]\n[source]\nsite = "{value}"', "source.site") for value in SITES),
    *((f'[mqtt]\n[home_assistant]\nprefix = "{value}"', "home_assistant.prefix") for value in [*PREFIXES, *REFUSED]),
    *((f'[mqtt]\n[hermes]\nenabled = true\nsite = "{value}"', "hermes.site") for value in [*LEVELS, *REFUSED]),
    *((f'[mqtt]\nuser = "{value}"', "mqtt.user") for value in ["", "a\\u0000", "x" * 201, *REFUSED]),
)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("text", "setting"), BAD)
def test_what_cannot_be_a_part_of_a_topic_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, text: str, setting: str
) -> None:
    path = tmp_path / "kws.toml"
    path.write_text(text)
    assert main([command, "--config", str(path)]) == 2
    assert f"{path}: {setting}: must be " in "".join(capsys.readouterr())
