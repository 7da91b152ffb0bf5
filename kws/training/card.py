"""The model card: what a model hears, how it was made, under which licence, and what was measured.

The section between the two marks is filled by other tools and kept when the card is rewritten.
"""

from __future__ import annotations

from pathlib import Path

from kws.inference.model import Description
from kws.types import SILENCE, UNKNOWN

CARD_FILE = "README.md"
BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"
_NOTHING_YET = "Nothing has been measured yet."


def write_card(folder: Path, description: Description, *, parameters: int) -> None:
    """Write the card of a model folder that holds its networks already; ``parameters`` is their number of weights."""
    path = folder / CARD_FILE
    measured = measured_section(path.read_text(encoding="utf-8")) if path.exists() else _NOTHING_YET
    front_end, training = description.front_end, description.training
    sizes = {file: (folder / file).stat().st_size / 1e6 for file in description.sha256}
    files = "\n".join(f"| `{file}` | {size:.1f} MB |" for file, size in sizes.items())
    attribution = "\n".join(f"- {line}" for line in description.attribution) or "- not stated"
    spectrum = f"{front_end.mel_bins} mel bands" if front_end.mel_bins else f"{front_end.bins} linear bins"
    scale = "natural logarithm" if front_end.log_offset else "magnitude"
    network = training["network"]
    origin = f"begun with the weights of `{training['start']}`; " if training.get("start") else ""
    if others := len(training["teaching"]["ensemble"]):
        origin += f"learned in an ensemble with {others} other network{'s' * (others > 1)}; "
    path.write_text(
        f"""# {description.name} {description.version}

Hears {", ".join(f"*{keyword}*" for keyword in description.keywords)}; everything else is `{UNKNOWN}` or `{SILENCE}`.

| file | size |
|---|---|
{files}

**Input.** {front_end.window / front_end.sample_rate:g} s of mono sound at {front_end.sample_rate} Hz. STFT:
{front_end.frame_length} samples every {front_end.frame_step}, transform of {front_end.fft_length}, {spectrum},
{scale}; image {front_end.image[0]} x {front_end.image[1]} x {front_end.channels}, normalised inside the network.

**Network.** EfficientNet-B0 scaled to {network["width"]:g} in width and {network["depth"]:g} in depth, global average
pooling, dropout, dense softmax over {len(description.labels)} labels; {parameters:,} parameters.

**Training.** {training["clips"]:,} one-second windows mixed on the fly; {origin}`model.json` holds the whole recipe.

## What was measured

{BEGIN}
{measured}
{END}

## Limits

The model knows the words above in English as its training speakers said them, most of them adults with American or
British accents, close to a microphone. Other accents, children, far rooms and loud music lower its accuracy by more
than the figures show. It decides from one second of sound, not from sentences: a keyword in conversation counts as a
keyword. Do not let it operate anything dangerous.

Sound is processed in memory and not kept. The model cannot identify speakers and was not trained to.

## Licence

{description.licence or "not stated"}. Learned from:

{attribution}
""",
        encoding="utf-8",
    )


def measured_section(card: str) -> str:
    """Return the section between the marks of a card, or a line that reports it missing."""
    _, begin, rest = card.partition(BEGIN)
    section, end, _ = rest.partition(END)
    return section.strip() if begin and end else _NOTHING_YET
