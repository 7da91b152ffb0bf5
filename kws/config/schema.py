"""The configuration schema: each table holds the options of one part, whose own module explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import msgspec

from kws import DEFAULT_MODEL
from kws.common.logs import LogOptions
from kws.common.tables import Text, inside
from kws.config.clips import ClipsOptions
from kws.config.metrics import MetricsOptions
from kws.config.provenance import MODEL, Provenance
from kws.config.watch import WatchOptions
from kws.decision import Options, recommended
from kws.errors import OptionError
from kws.publishers.exec import ExecOptions
from kws.publishers.mqtt import HermesOptions, HomeAssistantOptions, MqttOptions
from kws.publishers.mqtt.topics import Site
from kws.publishers.stdout import LineOptions

if TYPE_CHECKING:
    from kws.inference.model import Description

Positive = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class DeviceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source.home_assistant``: the names of one microphone.

    Attributes:
        name, area: see :class:`~kws.publishers.mqtt.HomeAssistantOptions`.
    """

    name: str | None = None
    area: str | None = None


class SourceOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source``, or one of several: a microphone or another source of sound.

    Its tables ``decision``, ``keyword`` and ``gate`` are a layer over those of the file.

    Attributes:
        site: the place of the microphone, a level of its topics; None for the site of MQTT.
        input: None for the microphone, ``-`` for standard input, else a path (a FIFO, a recording).
        device: the microphone, by name or a part of it; None for the default.
        channel: the channel to use, from 1; None for the mix of all.
        rate: samples a second, of headerless sound or of the microphone.
        channels, sample_format: of headerless sound; see :func:`kws.audio.open.open_source`.
        home_assistant: what Home Assistant shows.
        watch: when it counts as dead; the file's table ``watch`` holds for what is not said here.
    """

    site: Site | None = None
    input: Text | None = None
    device: Text | int | None = None
    channel: Positive | None = None
    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] | None = None
    channels: Positive | None = None
    sample_format: Literal["s16le", "s32le", "f32le"] | None = None
    home_assistant: DeviceOptions = DeviceOptions()
    watch: WatchOptions = WatchOptions()


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``.

    Attributes:
        name: of a model that ships, or the path of a folder or of a network in one.
        interpreter: the TFLite interpreter; None for the first that is installed.
        threads: for one window.
        skip_silence: skip windows that hold nothing but the noise floor.
    """

    name: Text = DEFAULT_MODEL
    interpreter: Literal["ai-edge-litert", "tflite-runtime", "tensorflow"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    skip_silence: bool = True


class Tables(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tables of a configuration; None for a part that is not asked for.

    Attributes:
        decision, keyword, gate: settings of every source that has none of its own.
        sources: the tables ``source``, at least one. Of several, each has a site of its own where MQTT is on.
        model: the network.
        watch: when a microphone counts as dead.
        mqtt, stdout, exec: where detections go.
        home_assistant, hermes: what else is published over MQTT.
        log, metrics: how the service reports on itself.
        clips: which sound is kept.
    """

    sources: tuple[SourceOptions, ...] = msgspec.field(default=(SourceOptions(),), name="source")
    model: ModelOptions = ModelOptions()
    watch: WatchOptions = WatchOptions()
    mqtt: MqttOptions | None = None
    home_assistant: HomeAssistantOptions = HomeAssistantOptions()
    hermes: HermesOptions = HermesOptions()
    stdout: LineOptions | None = None
    exec: ExecOptions | None = None
    log: LogOptions = LogOptions()
    metrics: MetricsOptions | None = None
    clips: ClipsOptions | None = None


class Config(Tables, frozen=True, kw_only=True):
    """A configuration: file and flags together, complete and checked.

    Attributes:
        provenance: where each setting was written.
    """

    provenance: Provenance = Provenance()

    def name(self, source: SourceOptions) -> str:
        """Return the path of a source's table: ``source``, or ``source[2]`` where there are several."""
        return source_name(self._index(source), len(self.sources))

    @contextmanager
    def errors(self, table: str = "") -> Iterator[None]:
        """Name where a setting was written in each OptionError that is raised within.

        Args:
            table: whose fields the errors name.
        """
        try:
            with inside(table):
                yield
        except OptionError as error:
            raise self.provenance.error(error) from None

    def layers(self, source: SourceOptions) -> dict[str, Options]:
        """Return the layers of decision settings for a source, see :meth:`Provenance.layers`."""
        return self.provenance.layers(self._index(source), self.name(source))

    def layers_over(self, description: Description, source: SourceOptions) -> dict[str, Options]:
        """Return the same over what the model recommends, as :func:`kws.decision.resolve` takes them.

        Raises:
            ModelError: the model's settings are wrong.
        """
        return {MODEL: recommended(description), **self.layers(source)}

    def publishing(self, source: SourceOptions) -> tuple[MqttOptions | None, HomeAssistantOptions, HermesOptions]:
        """Return what goes over MQTT for one source, whose own site and names replace those of the file."""
        replace = msgspec.structs.replace
        own = {name: value for name, value in msgspec.structs.asdict(source.home_assistant).items() if value}
        mqtt = self.mqtt if self.mqtt is None or source.site is None else replace(self.mqtt, site=source.site)
        return mqtt, replace(self.home_assistant, **own), self.hermes

    def _index(self, source: SourceOptions) -> int:
        return next(number for number, other in enumerate(self.sources) if other is source)


#: The tables other than ``source``, ``decision``, ``keyword`` and ``gate``.
TABLES: Mapping[str, type[msgspec.Struct]] = {
    field.name: next(kind for kind in (field.type, *get_args(field.type)) if isinstance(kind, type))
    for field in msgspec.structs.fields(Tables)
    if field.name not in ("sources", *Options.__struct_fields__)
}


def source_name(number: int, count: int) -> str:
    """Return the path of a source's table from its index; people count from 1, as they count channels."""
    return "source" if count == 1 else f"source[{number + 1}]"
