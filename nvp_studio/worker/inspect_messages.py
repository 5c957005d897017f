"""The messages of the page Inspect: a picture at every layer, and the health of the layers."""

from typing import Annotated, Literal

import msgspec

from nvp_studio.explore.cells import Cell
from nvp_studio.explore.health_report import Health
from nvp_studio.explore.inspected import Aspect, Inspection
from nvp_studio.explore.ledger_rows import Baseline
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import BatchBytes
from nvp_studio.recipe import Recipe


class Inspect(msgspec.Struct, frozen=True, tag="inspect"):
    """Lead the picture of `recipe` through every layer of the open model: answered by `Inspected`."""

    recipe: Recipe


class InspectCell(msgspec.Struct, frozen=True, tag="inspect-cell"):
    """What a layer did to the values at a pixel of the picture of `recipe`: answered by `CellInspected`."""

    recipe: Recipe
    position: int
    """Of the layer among the stages of the picture's `Inspection`."""
    row: int
    column: int


class InspectChannels(msgspec.Struct, frozen=True, tag="inspect-channels"):
    """The single channels after a layer of the picture of `recipe`: answered by `ChannelsInspected`."""

    recipe: Recipe
    position: int
    aspect: Aspect


class Examine(msgspec.Struct, frozen=True, tag="examine"):
    """Examine every layer of the open model: `Working` as it goes on, then `Examined`."""

    recipe: Recipe | None = None
    """The picture that it is examined on; None: samples of the model."""


class FindField(msgspec.Struct, frozen=True, kw_only=True, tag="find-field"):
    """The receptive field of a latent of the picture of `recipe`: answered by `FieldFound`.

    The arguments of `explore.receptive.ReceptiveFields.field`.
    """

    recipe: Recipe
    scale: int
    channel: int
    row: int
    column: int
    direction: Literal["decoder", "encoder"]


class FieldFound(msgspec.Struct, frozen=True, tag="field-found"):
    """Answer to `FindField`."""

    request: FindField
    image: ImageBatch
    """The picture, shape (1, H, W, C)."""
    values: BatchBytes
    """(H, W), float32 in C order."""


class FindBaseline(msgspec.Struct, frozen=True, tag="find-baseline"):
    """What is usual in each row of the ledger: `Working` as images are measured, then `BaselineFound`."""

    measure: bool
    """Whether to measure it, which takes some seconds, where that was not done yet."""


class BaselineFound(msgspec.Struct, frozen=True, tag="baseline-found"):
    """Last answer to `FindBaseline`; None where it was not measured yet."""

    baseline: Baseline | None


class Inspected(msgspec.Struct, frozen=True, tag="inspected"):
    """Answer to `Inspect`."""

    inspection: Inspection


class CellInspected(msgspec.Struct, frozen=True, tag="cell-inspected"):
    """Answer to `InspectCell`: a value for each colour channel."""

    position: int
    row: int
    column: int
    cells: Annotated[tuple[Cell, ...], msgspec.Meta(max_length=3)]


class ChannelsInspected(msgspec.Struct, frozen=True, tag="channels-inspected"):
    """Answer to `InspectChannels`: a grey image for each channel of the tensor after the layer."""

    position: int
    aspect: Aspect
    images: ImageBatch


class Working(msgspec.Struct, frozen=True, tag="working"):
    """Of a request that goes on: so many of its steps are done."""

    done: int
    total: int


class Examined(msgspec.Struct, frozen=True, tag="examined"):
    """Last answer to `Examine`."""

    health: Health


InspectRequest = Inspect | InspectCell | InspectChannels | FindBaseline | FindField | Examine
InspectAnswer = Inspected | CellInspected | ChannelsInspected | BaselineFound | FieldFound | Working | Examined
