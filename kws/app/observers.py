"""Running a service, with the log and the observers that its configuration asks for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, cast

from kws.app.build import wake_word_pipeline
from kws.app.servers import make_monitor, make_wyoming
from kws.common.logs import set_up
from kws.config.schema import MISSING
from kws.errors import KwsError, UsageError
from kws.publishers.observer import Observers
from kws.service.clips.observer import ClipObserver
from kws.service.listener import Listener
from kws.service.service import Service
from kws.service.systemd import Notifier, SystemdObserver

if TYPE_CHECKING:
    from kws.config.schema import Config, MetricsOptions
    from kws.service.metrics import Endpoint, MetricsObserver

_log = logging.getLogger(__name__)


class Server(Protocol):
    """A server that a table of the configuration asks for."""

    def close(self, *, wait: bool = True) -> None: ...


Kind = TypeVar("Kind", bound=Server)


class _Served(NamedTuple):
    """A server, the options that it was made of, and the function that made it."""

    options: object
    make: Callable[[], Server]
    server: Server


class ServiceObservers(Observers):
    """The observers of one service. A reload changes them with the configuration.

    Args:
        read: reads the configuration.
    """

    def __init__(self, read: Callable[[], Config]) -> None:
        self._read = read
        self._newest: Config | None = None
        self._service: Service | None = None
        self._notifier = Notifier()
        self._clips = ClipObserver()
        self._metrics: MetricsObserver | None = None
        self._served: dict[str, _Served] = {}  # by table
        self._always = (self._clips, SystemdObserver(self._notifier, self._listeners))
        super().__init__(self._always)
        self._notifier.status("loading the model")

    def read(self) -> Config:
        """Return the configuration as it is now; the observers follow it as soon as the service does."""
        self._newest = self._read()
        if self._service is None:
            set_up(self._newest.log, times=True)  # errors in the rest of it are logged in this form already
        return self._newest

    @property
    def config(self) -> Config:
        """The configuration that was read last."""
        assert self._newest
        return self._newest

    def begin(self, service: Service) -> None:
        """Observe a service that has not started yet, by the configuration that was read for it.

        Raises:
            KwsError: the configuration asks for something that does not work.
        """
        self._service = service
        self._notifier.status("opening the microphone")
        self._follow()

    def reloaded(self, problem: str | None) -> None:
        if problem is None:
            try:
                self._follow()
            except KwsError as error:
                problem = str(error)
                _log.error("%s (it stays as it was)", problem)
        super().reloaded(problem)

    def close(self) -> None:
        """End the observers, after the service."""
        self._clips.close()
        for served in self._served.values():
            served.server.close(wait=False)

    def _listeners(self) -> Sequence[Listener]:
        return self._service.listeners if self._service else ()

    def _follow(self) -> None:
        config = self.config
        set_up(config.log, times=True)
        self._clips.follow(config.clips)
        self._serve("metrics", config.metrics, partial(self._make_endpoint, config.metrics))
        model = self._listeners()[0].place.pipeline.model
        uri = config.wyoming and config.wyoming.uri
        if wyoming := self._serve("wyoming", uri, partial(make_wyoming, config, model)):
            wyoming.follow(partial(wake_word_pipeline, config, model))
        made_of = config.monitor and (config.monitor, config.clips)
        monitor = self._serve("monitor", made_of, partial(make_monitor, config, self._listeners))
        self._tell((*self._always, *filter(None, (self._metrics, monitor))))

    def _serve(self, table: str, options: object, make: Callable[[], Kind]) -> Kind | None:
        """Return the server that a table asks for. If it does not start, the one from before is started again."""
        before = self._served.get(table)
        if before is None or before.options != options:
            if before:
                before.server.close()  # a port can be served once only
                del self._served[table]
            if options is None:
                return None
            try:
                self._served[table] = _Served(options, make, make())
            except KwsError:
                if before:
                    self._served[table] = before._replace(server=before.make())
                raise
        return cast("Kind", self._served[table].server)

    def _make_endpoint(self, options: MetricsOptions | None) -> Endpoint:
        assert options
        try:
            from kws.service.metrics import Endpoint, MetricsObserver  # noqa: PLC0415
        except ImportError:
            raise UsageError(MISSING) from None
        if self._metrics is None:  # it counts from the first time that metrics are asked for
            self._metrics = MetricsObserver(self._listeners, lambda: self._clips.counts)
        return Endpoint(options, self._metrics.registry)
