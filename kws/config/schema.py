"""What can be configured: each table is the options of one part, and the part's own module says what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from kws import DEFAULT_MODEL
from kws.common.logs import LogOptions
from kws.common.tables import inside
from kws.config.clips import ClipsOptions
from kws.config.metrics import MetricsOptions
from kws.config.watch import WatchOptions
from kws.decision import Options
from kws.publishers.exec import ExecOptions
from kws.publishers.mqtt import HermesOptions, HomeAssistantOptions, MqttOptions
from kws.publishers.mqtt.settings import Site
from kws.publishers.stdout import LineOptions

Positive = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class DeviceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source.home_assistant``: what differs from one microphone to another.

    Attributes:
        name, area: see :class:`~kws.publishers.mqtt.HomeAssistantOptions`.
    """

    name: str | None = None
    area: str | None = None


class SourceOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source``, or one of several: what is heard, where, and what is decided otherwise there.

    Its tables ``decision``, ``keyword`` and ``gate`` are a layer over those of the file.

    Attributes:
        site: the place that it hears, a level of its topics; None for the site of MQTT.
        input: None for the microphone, ``-`` for standard input, else a path (a FIFO, a recording).
        device: the microphone, by name or a part of it; None for the default.
        channel: the channel to hear, from 1; None for the mix of all.
        rate: samples a second, of headerless sound or of the microphone.
        channels, sample_format: of headerless sound; see :func:`kws.audio.open_source`.
        home_assistant: as what Home Assistant shows it.
        watch: when it counts as dead; what it does not say is as the file's table ``watch`` says.
    """

    site: Site | None = None
    input: str | None = None
    device: str | int | None = None
    channel: Positive | None = None
    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] | None = None
    channels: Positive | None = None
    sample_format: Literal["s16le", "s32le", "f32le"] | None = None
    home_assistant: DeviceOptions = DeviceOptions()
    watch: WatchOptions = WatchOptions()


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``.

    Attributes:
        name: of a model that ships, or a path.
        interpreter: None for the first that is installed.
        threads: for one window.
        skip_silence: whether windows that hold nothing but the noise floor are passed over.
    """

    name: str = DEFAULT_MODEL
    interpreter: Literal["ai-edge-litert", "tflite-runtime", "tensorflow"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    skip_silence: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All tables of a file; None for a part that is not asked for.

    Attributes:
        path: of the file; errors that are found later begin with it.
        sources: what is heard, at least one; of several, each has a site of its own where MQTT is on.
        model: what hears.
        decision: the layer of decision settings over the model's and below each source's.
        mqtt, stdout, exec: where detections go.
        home_assistant, hermes: what else MQTT speaks.
        log, metrics: how the service tells of itself.
        clips: the sound that is kept.
        tables: what was written, file and flags together, as parsed.
        flags: what a command line said, by path: ``{"mqtt.url": "--set"}``.
    """

    path: Path
    sources: tuple[SourceOptions, ...] = (SourceOptions(),)
    model: ModelOptions = field(default_factory=ModelOptions)
    decision: Options = field(default_factory=Options)
    mqtt: MqttOptions | None = None
    home_assistant: HomeAssistantOptions = field(default_factory=HomeAssistantOptions)
    hermes: HermesOptions = field(default_factory=HermesOptions)
    stdout: LineOptions | None = None
    exec: ExecOptions | None = None
    log: LogOptions = field(default_factory=LogOptions)
    metrics: MetricsOptions | None = None
    clips: ClipsOptions | None = None
    tables: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    flags: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def place(self, source: SourceOptions) -> str:
        """Where a source is written, as errors begin: ``kws.toml: source``, of several ``kws.toml: source[2]``."""
        number = next(number for number, other in enumerate(self.sources) if other is source)
        return inside(str(self.path), source_name(number, len(self.sources)))

    def layers(self, source: SourceOptions) -> dict[str, Options]:
        """The layers of decision settings for a source, by the place where each is written, lowest first."""
        return {str(self.path): self.decision, self.place(source): source}

    def publishing(self, source: SourceOptions) -> tuple[MqttOptions | None, HomeAssistantOptions, HermesOptions]:
        """What goes over MQTT for one source: its own site and names in the place of the file's."""
        replace = msgspec.structs.replace
        said = {name: value for name, value in msgspec.structs.asdict(source.home_assistant).items() if value}
        mqtt = self.mqtt if self.mqtt is None or source.site is None else replace(self.mqtt, site=source.site)
        return mqtt, replace(self.home_assistant, **said), self.hermes


TABLES: Mapping[str, type[msgspec.Struct]] = {
    "watch": WatchOptions,
    "model": ModelOptions,
    "mqtt": MqttOptions,
    "home_assistant": HomeAssistantOptions,
    "hermes": HermesOptions,
    "stdout": LineOptions,
    "exec": ExecOptions,
    "log": LogOptions,
    "metrics": MetricsOptions,
    "clips": ClipsOptions,
}


def source_name(number: int, count: int) -> str:
    """Of the table of a source, from its index; people count from 1, as they count channels."""
    return "source" if count == 1 else f"source[{number + 1}]"
