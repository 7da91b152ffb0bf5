"""The configuration schema: each table holds the options of one part, whose own module explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from kws import DEFAULT_MODEL
from kws.audio.url import without_login
from kws.common.addresses import http_url, is_local
from kws.common.logs import LogOptions
from kws.common.tables import Text, inside
from kws.config.places import state_folder
from kws.config.provenance import MODEL, Provenance
from kws.decision import Options, recommended
from kws.errors import OptionError
from kws.inference.model import Description
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.mqtt.topics import Site
from kws.publishers.settings import ExecOptions
from kws.publishers.stdout import LineOptions
from kws.servers.settings import MonitorOptions, WyomingOptions

Positive = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``watch``, and ``source.watch`` for one microphone.

    Attributes:
        stall: seconds without a block of sound after which a microphone or a live pipe counts as dead.
        silence: seconds of nothing but zeros, or of one sample that never changes, after which it counts as dead, as
            it does from its opening to the first sample that differs; 0 for a microphone that may be so silent.
        retry: seconds between two attempts to open it again, at most; the first attempts come sooner.
        backlog: seconds of sound that may wait for the network; of more, the oldest is dropped.
    """

    stall: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 2.0
    silence: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 10.0
    retry: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 1.0
    backlog: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 0.5


_Seconds = Annotated[float, msgspec.Meta(ge=0, le=10)]


class ClipsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``clips``. Without it nothing is recorded; with it, people are.

    Attributes:
        folder: for the recordings; None for ``clips`` in the state directory of the systemd service or of the user.
        quota: megabytes for all recordings; the oldest are removed first.
        before: seconds of sound before the word.
        after: seconds of sound after the word.
        near_misses: record keywords that nearly fired, too.
    """

    folder: Text | None = None
    quota: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 100.0
    before: _Seconds = 1.0
    after: _Seconds = 1.0
    near_misses: bool = False

    def path(self, environment: Mapping[str, str]) -> Path:
        """Return the folder of the recordings, given the environment variables of the process."""
        if self.folder is not None:
            return Path(self.folder)
        return state_folder(environment) / "clips"


#: The error where the extra is missing.
MISSING = "metrics: needs prometheus-client: pip install '.[metrics]'"


class MetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``metrics``; without it there is no endpoint.

    Attributes:
        address: to listen on; the default can be reached from this machine only.
        port: to listen on; 0 for any free one, which the log names.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9754

    @property
    def is_local(self) -> bool:
        """Return True if the address cannot be reached from another machine."""
        return is_local(self.address)

    def url(self, port: int) -> str:
        """Return the URL of the metrics on a port."""
        return http_url(self.address, port, "/metrics")


class DeviceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source.home_assistant``: the names of one microphone.

    Attributes:
        name, area: see :class:`~kws.publishers.mqtt.HomeAssistantOptions`.
    """

    name: Text | None = None
    area: Text | None = None


class SourceOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source``, or one of several: a microphone or another source of sound.

    Its tables ``decision``, ``keyword`` and ``gate`` are a layer over those of the file.

    Attributes:
        site: the place of the microphone, a level of its topics; None for the site of MQTT.
        input: None for the microphone, ``-`` for standard input, a URL for ffmpeg, else a path (a FIFO, a recording).
        wyoming: a satellite whose microphone to use, ``tcp://HOST:PORT``.
        device: the microphone, by name or a part of it; None for the default.
        channel: the channel to use, from 1; None for the mix of all.
        gain: decibels by which the sound is made louder.
        rate: samples a second, of headerless sound or of the microphone.
        channels, sample_format: of headerless sound; see :func:`kws.audio.open.open_source`.
        home_assistant: what Home Assistant shows.
        watch: when it counts as dead; the file's table ``watch`` holds for what is not said here.
    """

    site: Site | None = None
    input: Text | None = None
    wyoming: Text | None = None
    device: Text | int | None = None
    channel: Positive | None = None
    gain: Annotated[float, msgspec.Meta(ge=-60, le=60)] = 0.0
    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] | None = None
    channels: Positive | None = None
    sample_format: Literal["s16le", "s32le", "f32le"] | None = None
    home_assistant: DeviceOptions = DeviceOptions()
    watch: WatchOptions = WatchOptions()

    @property
    def input_shown(self) -> str | None:
        """The input, without the user and password of a URL."""
        return self.input and without_login(self.input)


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``.

    Attributes:
        name: of a model that ships, or the path of a folder or of a network in one.
        interpreter: the TFLite interpreter; None for the first that is installed.
        threads: for one window.
        skip_windows: skip windows that cannot matter: of silence, and some while no keyword is near.
    """

    name: Text = DEFAULT_MODEL
    interpreter: Literal["ai-edge-litert", "tflite-runtime", "tensorflow"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    skip_windows: bool = True


class WordOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``word``, or one of several: an enrolled word.

    Attributes:
        file: the word file that ``kws enroll`` wrote.
    """

    file: Text


class Tables(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All tables of a configuration; None for a part that is not asked for.

    Attributes:
        decision, keyword, gate: settings of every source that has none of its own.
        sources: the tables ``source``, at least one. Of several, each has a site of its own where MQTT is on.
        model: the network.
        words: the tables ``word``, which the model is to hear as well.
        watch: when a microphone counts as dead.
        mqtt, stdout, exec: where detections go.
        home_assistant, hermes: what else is published over MQTT.
        log, metrics: how the service reports on itself.
        clips: which sound is kept.
        wyoming: the wake-word server.
        monitor: the live page.
    """

    sources: tuple[SourceOptions, ...] = msgspec.field(default=(SourceOptions(),), name="source")
    model: ModelOptions = ModelOptions()
    words: tuple[WordOptions, ...] = msgspec.field(default=(), name="word")
    watch: WatchOptions = WatchOptions()
    mqtt: MqttOptions | None = None
    home_assistant: HomeAssistantOptions = HomeAssistantOptions()
    hermes: HermesOptions = HermesOptions()
    stdout: LineOptions | None = None
    exec: ExecOptions | None = None
    log: LogOptions = LogOptions()
    metrics: MetricsOptions | None = None
    clips: ClipsOptions | None = None
    wyoming: WyomingOptions | None = None
    monitor: MonitorOptions | None = None


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


#: The tables other than ``source``, ``word``, ``decision``, ``keyword`` and ``gate``.
TABLES: Mapping[str, type[msgspec.Struct]] = {
    field.name: next(kind for kind in (field.type, *get_args(field.type)) if isinstance(kind, type))
    for field in msgspec.structs.fields(Tables)
    if field.name not in ("sources", "words", *Options.__struct_fields__)
}


def source_name(number: int, count: int) -> str:
    """Return the path of a source's table from its index; people count from 1, as they count channels."""
    return "source" if count == 1 else f"source[{number + 1}]"
