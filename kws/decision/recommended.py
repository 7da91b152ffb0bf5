"""The decision settings that a model recommends."""

from __future__ import annotations

from kws.decision.options import Options, read_options, resolve
from kws.errors import ModelError, UsageError
from kws.features.windows import check_hop
from kws.inference.model import Description


def recommended(description: Description) -> Options:
    """Read and check the settings that a model recommends, as the lowest layer for :func:`resolve`.

    Raises:
        ModelError: they are wrong, or their hop does not fit the model's front-end.
    """
    front_end = description.front_end
    try:
        options = read_options(description.decision)
        settings = resolve(description.labels, {"": options}, description.enrolled)
        if options.decision.hop is not None:
            check_hop(front_end, round(settings.hop * front_end.sample_rate))
    except UsageError as error:
        raise ModelError(f"model {description.name}: {error}") from error
    return options
