"""Makes the model, the pipeline and the source that a configuration names."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from kws.audio.gain import amplified
from kws.audio.open import open_source
from kws.audio.source import Source
from kws.audio.url import is_url
from kws.common.tables import check_known, inside
from kws.config.schema import Config, SourceOptions
from kws.decision import DecisionSettings, resolve
from kws.enroll.word_file import WordFile, read_word
from kws.enroll.word_model import WordModel, with_words
from kws.errors import OptionError
from kws.inference.model import Description, Model, find_description, find_model
from kws.pipeline.pipeline import Pipeline
from kws.publishers.mqtt.settings import site_name


def load_model(config: Config, model: Model | None = None) -> Model:
    """Load the model, which hears the enrolled words as further keywords.

    Args:
        config: as read.
        model: loaded already, to be used instead of the one that the configuration names.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    options = config.model
    if model is None:
        with config.errors("model"):
            model = Model(find_model(options.name), interpreter=options.interpreter, threads=options.threads)
    return WordModel(model, _words(config)) if config.words else model


def describe_model(config: Config) -> Description:
    """Return the description of the model with the enrolled words, without loading a network.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    with config.errors("model"):
        return with_words(find_description(config.model.name), _words(config))


def _words(config: Config) -> list[tuple[Path, WordFile]]:
    return [(Path(word.file), read_word(Path(word.file))) for word in config.words]


def decision_settings(config: Config, source: SourceOptions, description: Description) -> DecisionSettings:
    """Return the decision settings for a source: built-in, the model's, the file's, the source's own, the flags'.

    Raises:
        UsageError: a setting is wrong.
    """
    with config.errors():
        return resolve(description.labels, config.layers_over(description, source), description.enrolled)


def make_pipeline(config: Config, source: SourceOptions, model: Model, *, gated: bool = True) -> Pipeline:
    """Return the pipeline for a source.

    Args:
        config: as read.
        source: one of its sources.
        model: loaded.
        gated: False for a pipeline without a gate.

    Raises:
        UsageError: a setting is wrong.
    """
    settings = decision_settings(config, source, model.description)
    if not gated:
        settings = replace(settings, gate=None)
    mqtt, *_ = config.publishing(source)
    with config.errors("mqtt"):
        site = source.site if mqtt is None else site_name(mqtt)
    with config.errors("decision"):
        if not settings.listened:
            raise OptionError("keywords", "leaves nothing to listen for; name a keyword, or a word of kws enroll")
        skip = config.model.skip_windows
        return Pipeline(model, settings, site=site, skip_silence=skip, skip_calm=skip)


def wake_word_pipeline(config: Config, model: Model) -> Pipeline:
    """Return the pipeline for one client of the Wyoming server: that of the first source, for wake words only.

    Raises:
        UsageError: a setting is wrong.
    """
    assert config.wyoming
    pipeline = make_pipeline(config, config.sources[0], model, gated=False)
    listened = pipeline.settings.listened
    if (wanted := config.wyoming.keywords) is not None:
        with config.errors("wyoming"), inside("keywords"):
            check_known(wanted, listened, "keyword that is listened for")
        for keyword in set(listened) - set(wanted):
            pipeline.set_keyword(keyword, on=False)
    return pipeline


def source_maker(config: Config, source: SourceOptions, *, hop: float = 0.1, reopens: bool = True) -> partial[Source]:
    """Return a function that makes the source, to be called before each opening.

    Args:
        config: as read.
        source: one of its sources.
        hop: seconds between windows; a microphone's blocks end with them.
        reopens: True if it is opened again when it ends.

    Raises:
        UsageError: an option is wrong, or two do not go together.
    """
    names = ("wyoming", "device", "channel", "rate", "channels", "sample_format")
    options = {name: getattr(source, name) for name in names}
    if source.input is None:
        options["hop"] = hop
    if is_url(source.input):
        options["ends"] = not reopens
    options |= {"timeout": source.watch.stall, "buffer": source.watch.backlog}

    def open_amplified(gain_db: float, audio: str | None, **options: Any) -> Source:
        return amplified(open_source(audio, **options), gain_db)

    make = partial(open_amplified, source.gain, source.input, **options)
    with config.errors(config.name(source)):
        make()  # wrong options are found now, not when listening begins
    return make
