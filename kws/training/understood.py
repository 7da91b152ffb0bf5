"""A summary of the user's folders as a training understands them, for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_FEW_CLIPS = 20
_FEW_SPEAKERS = 5


class Clips(msgspec.Struct, frozen=True):
    """Recordings of words: those to learn from, and those that are held out."""

    clips: int = 0
    speakers: int = 0
    held_out_clips: int = 0
    held_out_speakers: int = 0

    def __str__(self) -> str:
        return f"{self.clips} clips ({_counted(self.speakers, 'speaker')}), {self.held_out_clips} more held out" + (
            f" ({_counted(self.held_out_speakers, 'speaker')})" if self.held_out_clips else ""
        )


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """The recordings found, and their use.

    Attributes:
        keywords: the recordings of each.
        other_words: those of all other words in the user's folders.
        other_words_kinds: how many different ones.
        bank_words, bank_minutes: negatives that come with kws: single words, and sentences.
        speech_hours, noise_minutes: the user's own.
        window_seconds: what the network hears at once.
        bank: True if embeddings of speech of people that come with kws are used.
        start: the model that training begins with; empty for random weights.
        windows: to learn from.
        notes: what was skipped, and how the split was made.
    """

    keywords: dict[str, Clips]
    other_words: Clips
    other_words_kinds: int
    bank_words: int
    bank_minutes: float
    speech_hours: float
    noise_minutes: float
    window_seconds: float
    start: str
    bank: bool
    windows: int
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A flaw that will make the model worse than it could be, and its remedy."""
        warnings = []
        few = [word for word, found in self.keywords.items() if found.clips < _FEW_CLIPS]
        if few:
            warnings.append(
                f"fewer than {_FEW_CLIPS} recordings of {', '.join(few)}: record more, or add synthetic voices (--say)"
            )
        if any(found.speakers < _FEW_SPEAKERS for found in self.keywords.values()):
            warnings.append("few speakers: the model will know these voices better than others")
        if not (self.speech_hours or self.bank):
            warnings.append(
                "no speech of people (--speech DIR): talk will set off the model several times a minute; an hour of "
                "any recorded English without the keywords helps most"
                if self.bank_words
                else "no speech (--speech DIR) and no negatives: the model will take talk for keywords all the time"
            )
        if not (self.other_words.clips or self.bank_words):
            warnings.append("no other words: every word will be taken for a keyword")
        return tuple(warnings)

    def lines(self) -> Iterator[str]:
        """Yield lines for a person."""
        width = max(len("other words"), *map(len, self.keywords))
        for word, found in self.keywords.items():
            yield f"{word:<{width}}  {found}"
        bank = f"{self.bank_words} that come with kws" if self.bank_words else "none that come with kws"
        own = f"{self.other_words}, {self.other_words_kinds} different" if self.other_words.clips else "none"
        yield f"{'other words':<{width}}  {own}; {bank}"
        bank = f"; {self.bank_minutes:.0f} min that come with kws" if self.bank_minutes else ""
        bank += f", and what {self.start} keeps of an hour of people's speech" if self.bank else ""
        own = f"{self.speech_hours:.1f} h" if self.speech_hours else "none"
        yield f"{'speech':<{width}}  {own}{bank}"
        own = f"{self.noise_minutes:.0f} min; " if self.noise_minutes else ""
        yield f"{'noise':<{width}}  {own}hiss and beeps that kws makes"
        for note in self.notes:
            yield f"note: {note}"
        for warning in self.warnings:
            yield f"warning: {warning}"
        begin = f"begins with {self.start}" if self.start else "begins with random weights"
        yield f"Training {begin} and takes {self.windows} windows of {self.window_seconds:g} s"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
