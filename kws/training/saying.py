"""Words without recordings: synthetic voices say them, into a folder of words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile

from kws.common.voices import utterances, voices

_UTTERANCES = 100


def say_words(words: Sequence[str], folder: Path, say: Callable[[str], None]) -> None:
    """Write ``WORD/VOICE_nohash_N.flac`` for each word that the folder does not hold yet.

    Raises:
        UsageError: there are no voices; the message says what to install.
        KwsError: a voice cannot say a word.
    """
    missing = [word for word in words if not (folder / word).is_dir()]
    found = voices() if missing else []
    for word in missing:
        say(f"{_UTTERANCES} utterances of {word!r} by {min(_UTTERANCES, len(found))} synthetic voices")
        part = folder / f".{word}"  # a folder of this name is not read: it may be incomplete
        part.mkdir(parents=True, exist_ok=True)
        for number, (voice, sound) in enumerate(utterances(word, _UTTERANCES, among=found)):
            soundfile.write(part / f"{voice.name}_nohash_{number}.flac", sound, 16000, subtype="PCM_16")
        part.rename(folder / word)
