"""The messages of the page Inspect: a picture at every layer, and the health of the layers."""

import msgspec

from nvp_studio.explore.health_report import Health
from nvp_studio.explore.inspected import Inspection
from nvp_studio.recipe import Recipe


class Inspect(msgspec.Struct, frozen=True, tag="inspect"):
    """Lead the picture of `recipe` through every layer of the open model: answered by `Inspected`."""

    recipe: Recipe


class Examine(msgspec.Struct, frozen=True, tag="examine"):
    """Examine every layer of the open model on samples of it: `Working` as it goes on, then `Examined`."""


class Inspected(msgspec.Struct, frozen=True, tag="inspected"):
    """Answer to `Inspect`."""

    inspection: Inspection


class Working(msgspec.Struct, frozen=True, tag="working"):
    """Of a request that goes on: so many of its steps are done."""

    done: int
    total: int


class Examined(msgspec.Struct, frozen=True, tag="examined"):
    """Last answer to `Examine`."""

    health: Health


InspectRequest = Inspect | Examine
InspectAnswer = Inspected | Working | Examined
