"""The messages between window and worker: typed structures that import neither torch nor Qt.

Most of them are requests and their answers. A request travels in an `Ask`, which names the channel that it belongs to
and has a number of its own; each of its answers comes back in a `Reply` with that channel and number. A worker works on
the newest request of a channel alone. What concerns the worker as a whole or the run it trains has no channel.
"""

from typing import Annotated, Literal

import msgspec

from nvp_studio.data.image_size import ImageSize
from nvp_studio.data.reading import UNDECIDED, Reading
from nvp_studio.data.report import DataReport
from nvp_studio.flow.config import FlowConfig
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import (
    DirectionValues,
    Name,
    Names,
    PathText,
    ScaleValues,
    Scores,
    Sentence,
    Sentences,
)
from nvp_studio.recipe import Recipe, Space
from nvp_studio.training.changes import ChangeRequest
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.events import RunEvent
from nvp_studio.worker.animation_messages import AnimationAnswer, AnimationProgress, AnimationRequest, FramesDrawn
from nvp_studio.worker.compiling_messages import Compiled
from nvp_studio.worker.direction_messages import DirectionAnswer, DirectionRequest
from nvp_studio.worker.inspect_messages import InspectAnswer, InspectRequest, Working
from nvp_studio.worker.lab_messages import LabAnswer, LabRequest
from nvp_studio.worker.map_messages import MapAnswer, MapRequest
from nvp_studio.worker.neighbour_messages import Comparing, NeighbourAnswer, NeighbourRequest
from nvp_studio.worker.redraw_messages import Redraw, RedrawDone, RedrawProgress
from nvp_studio.worker.score_messages import MakingReference, ScoreAnswer, ScoreRequest, ScoreRows, TableRows

PROTOCOL = 19
"""Version of these messages; both ends must agree."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """First message of the window. A worker of another protocol answers `Refused` and ends."""

    protocol: int
    device: Name = "auto"
    threads: int | None = None


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag="welcome"):
    """First message of the worker: it is ready for requests."""

    torch_version: Name
    device_name: Name
    threads: int


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The worker will not serve this window; it ends after this message."""

    reason: Sentence


class Ping(msgspec.Struct, frozen=True, tag="ping"):
    """Asks the worker's reading thread whether it runs; answered also while torch computes."""

    number: int


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Answer to `Ping`."""

    number: int


class StartRun(msgspec.Struct, frozen=True, tag="start-run"):
    """Create a run folder under `runs_folder` and train in it until it ends; one run per worker."""

    config: TrainConfig
    runs_folder: PathText
    name: Name = ""


class ResumeRun(msgspec.Struct, frozen=True, tag="resume-run"):
    """Continue the run in `folder` from its last checkpoint: the arguments of `training.resume.resume_run`."""

    folder: PathText
    steps: int | None = None
    """This, `epochs` or `minutes` is a new budget, from the run's beginning."""
    epochs: float | None = None
    minutes: float | None = None
    scoring_share: float | None = None
    patience: float = 0.0
    """Seconds to wait for another process that still trains in the folder; the run may turn out to have finished."""
    force: bool = False
    """Go on although the data are others now."""
    data: PathText = ""
    """Where the data are now; empty: where they were."""


class RunCommand(msgspec.Struct, frozen=True, tag="run-command"):
    """A command for the run under way, by the name of a method of `Control`; ignored without a run."""

    command: Literal["pause", "unpause", "stop", "skip-scoring", "save", "sample"]


class ChangeRun(msgspec.Struct, frozen=True, tag="change-run"):
    """Change learning rate or stop conditions of the run under way; answered by `RunChanged` once it is recorded."""

    change: ChangeRequest


class OpenModel(msgspec.Struct, frozen=True, tag="open-model"):
    """Load the checkpoint file at `path`, or the best of the run folder at `path`; empty: the included model."""

    path: PathText = ""
    keep_directions: bool = False
    """Whether a model without directions gets those of the model before, where both are of one kind."""


class Render(msgspec.Struct, frozen=True, tag="render"):
    """Decode `recipe` with the open model: answered by `Picture` at once and by the picture's `PictureScored`,
    which is left out for most pictures that a newer request of the channel follows."""

    recipe: Recipe


class RenderSheet(msgspec.Struct, frozen=True, tag="render-sheet"):
    """Decode several recipes at once, answered by one `Sheet` in the same order."""

    recipes: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=2048)]
    scores: bool = True
    """Whether to score the pictures, which takes as long again."""


class ReadPicture(msgspec.Struct, frozen=True, tag="read-picture"):
    """Read an image file for Explore: the recipe saved in it, or else a recipe with the image as its base."""

    path: PathText
    plain: bool = False
    """Whether to ignore a recipe in the file and use the image itself."""


class SavePicture(msgspec.Struct, frozen=True, tag="save-picture"):
    """Decode `recipe` and write it to `path` as a PNG that holds the recipe; its pixels become larger squares."""

    recipe: Recipe
    path: PathText
    pixel_size: int = 1
    """Side of the square that each pixel becomes."""


class Nudge(msgspec.Struct, frozen=True, tag="nudge"):
    """Take one step along the gradient of the log-density from `recipe`: answered by `PictureRead` with its pixels."""

    recipe: Recipe
    space: Space
    up: bool = True


class SaveGrid(msgspec.Struct, frozen=True, tag="save-grid"):
    """Write a PNG of pictures on the manifold of `recipe`, which is one of four corners: answered by `GridSaved`."""

    recipe: Recipe
    path: PathText
    rows: Annotated[int, msgspec.Meta(ge=2, le=256)]
    columns: Annotated[int, msgspec.Meta(ge=2, le=256)]
    pixel_size: int = 1
    """Side of the square that each pixel becomes."""


class Probe(msgspec.Struct, frozen=True, tag="probe"):
    """Estimate what a run of `config` would take, by a few steps on made-up images."""

    config: TrainConfig
    image_shape: tuple[int, int, int]
    """(channels, height, width)."""


class Survey(msgspec.Struct, frozen=True, tag="survey"):
    """What data hold to train on: `Surveying` as images of a folder are counted, then `DataReport`.

    The fields are those of `TrainConfig`.
    """

    data: PathText
    image_size: ImageSize | None = None
    channels: Literal[1, 3] | None = None
    data_root: PathText | None = None
    reading: Reading = UNDECIDED


Request = (
    OpenModel
    | Render
    | RenderSheet
    | InspectRequest
    | LabRequest
    | ReadPicture
    | SavePicture
    | SaveGrid
    | Nudge
    | Redraw
    | NeighbourRequest
    | DirectionRequest
    | MapRequest
    | AnimationRequest
    | ScoreRequest
    | Probe
    | Survey
)
"""What a worker is asked for on a channel."""


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """A request that replaces older ones of `channel`; one that is under way ends at its next step with `Cancelled`."""

    channel: Name
    request_id: int
    """Greater than that of any earlier request of the channel."""
    request: Request


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Cancel the newest request of `channel`; one under way ends at its next step with `Cancelled`."""

    channel: Name


WindowMessage = Hello | Ping | Ask | Cancel | StartRun | ResumeRun | RunCommand | ChangeRun
"""Anything the window sends."""


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the window needs to know of a checkpoint."""

    name: Name
    path: PathText
    digest: Name
    image_shape: tuple[int, int, int]
    """(channels, height, width)."""
    latent_shapes: Annotated[tuple[tuple[int, int, int], ...], msgspec.Meta(max_length=64)]
    """(channels, height, width) of each scale of z, finest first."""
    parameters: int
    data_title: Name
    validation: float | None
    """Bits/dim on validation images when it was saved."""
    explained_variance: DirectionValues
    """Fraction of the latents' variance along each direction; empty when the file has none."""
    direction_names: Names
    """Empty for a principal direction, else what the images have in common that it leads to."""
    preset: Name
    """Of the flow."""
    flow: FlowConfig
    reference: Scores
    """Bits/dim of the reference (validation) images, sorted; empty when the file has none."""
    references: Names = ()
    """What verdicts may compare with, of what was made so far."""
    sample_temperatures: Annotated[tuple[float, ...], msgspec.Meta(max_length=64)] = ()
    """Of a new sample, for each scale, finest first."""
    step: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    """Of its run, when the file was written."""


class ModelOpened(msgspec.Struct, frozen=True, tag="model-opened"):
    """Answer to `OpenModel`."""

    model: ModelInfo


class Picture(msgspec.Struct, frozen=True, kw_only=True, tag="picture"):
    """First answer to `Render`, a decoded recipe; the next request of the channel may be sent from here on."""

    image: ImageBatch
    """One image, shape (1, H, W, C)."""
    base_coordinates: DirectionValues
    """Where the base lies along each direction, in standard deviations from the training set's mean, before the
    recipe's offsets."""
    moved: ScaleValues = ()
    """Which fraction of what the recipe's offsets add to the latent lies in each scale, finest first; of the squared
    length, and empty where they add nothing."""
    squared_lengths: ScaleValues = ()
    """|z|^2 of the latent at every scale, finest first."""
    length_percent: ScaleValues = ()
    """Percentage of latents of the prior that are shorter, at every scale."""


class PictureScored(msgspec.Struct, frozen=True, tag="picture-scored"):
    """Second answer to `Render`, before any answer to a newer request of the channel: the score of the 8-bit image in
    `Picture`, as Score would give it for its file."""

    bits_per_dim: float


class Sheet(msgspec.Struct, frozen=True, tag="sheet"):
    """Answer to `RenderSheet`."""

    recipes: Annotated[tuple[Recipe, ...], msgspec.Meta(max_length=2048)]
    images: ImageBatch
    bits_per_dim: Annotated[tuple[float, ...], msgspec.Meta(max_length=2048)]
    """Empty where no scores were asked for."""


class PictureRead(msgspec.Struct, frozen=True, tag="picture-read"):
    """Answer to `ReadPicture`: a recipe ready to render; `notes` say what was done to the image on the way."""

    path: PathText
    recipe: Recipe
    notes: Sentences = ()


class PictureSaved(msgspec.Struct, frozen=True, tag="picture-saved"):
    """Answer to `SavePicture`."""

    path: PathText


class GridSaved(msgspec.Struct, frozen=True, tag="grid-saved"):
    """Answer to `SaveGrid`."""

    path: PathText


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """Answer to `Probe`."""

    parameters: int
    images_per_second: float
    memory_bytes: int
    """Peak memory of the probing process."""
    scored_per_second: float
    decoded_per_second: float


class Surveying(msgspec.Struct, frozen=True, tag="surveying"):
    """Of a `Survey`: the number of images counted so far."""

    images: int


class Cancelled(msgspec.Struct, frozen=True, tag="cancelled"):
    """The request was cancelled before its end."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The request could not be served; `reason` is one line for a person, `details` a traceback for a report."""

    reason: Sentence
    details: Annotated[str, msgspec.Meta(max_length=4_000_000)] = ""


Answer = (
    ModelOpened
    | Picture
    | PictureScored
    | Sheet
    | InspectAnswer
    | LabAnswer
    | PictureRead
    | PictureSaved
    | GridSaved
    | RedrawProgress
    | RedrawDone
    | NeighbourAnswer
    | DirectionAnswer
    | MapAnswer
    | AnimationAnswer
    | ScoreAnswer
    | Probed
    | Surveying
    | DataReport
    | Cancelled
    | Failed
)
"""What a worker answers to a request."""
NOT_LAST = (
    *(ScoreRows, TableRows, MakingReference, Surveying, Working, RedrawProgress, Comparing),
    *(FramesDrawn, AnimationProgress),
)
"""Answers after which the request goes on: the next request of the channel is not sent yet."""


class Reply(msgspec.Struct, frozen=True, tag="reply"):
    """An answer to the request of this channel and number."""

    channel: Name
    request_id: int
    answer: Answer


WorkerMessage = Welcome | Refused | Pong | Compiled | Reply | RunEvent
"""Anything the worker sends."""
