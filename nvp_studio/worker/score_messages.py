"""The messages of the page Score: image files that are scored, what verdicts compare with, and maps of bits."""

from typing import Annotated

import msgspec

from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import BatchBytes, Name, Names, PathText, ScaleValues, Sentence
from nvp_studio.score_row import ScoreRow
from nvp_studio.scores.report import ReportFacts


class Score(msgspec.Struct, frozen=True, tag="score"):
    """Bits/dim of every image under `paths` (files and folders), streamed as `ScoreRows` and closed by `ScoreDone`."""

    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=1_000_000)]
    samples: int = 1
    """Dequantization samples of the bound."""
    weighted: bool = True
    """Whether the bound is importance-weighted; else it is the mean over the samples."""
    against: PathText = ""
    """A second model, by path or name, for the likelihood ratio; empty: none."""
    seed: int = 0
    reference: Name = ""
    """What verdicts compare with, by a name that `UseReference` was answered for; empty: no verdicts."""
    known: BatchBytes = b""
    """Files that are passed over: a `name_digest` of each, one after the other."""


class ReadTable(msgspec.Struct, frozen=True, tag="read-table"):
    """Read a CSV or Parquet file of scores of the open model: `TableRows` as they are read, then `TableRead`."""

    path: PathText


class UseReference(msgspec.Struct, frozen=True, tag="use-reference"):
    """Find or make what verdicts compare with: `MakingReference` as it is made, then `ReferenceReady`."""

    name: Name
    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=1000)] = ()
    """Files and folders of images to make it of; without them it is found, and the model's own is made if needed."""


class ReadImages(msgspec.Struct, frozen=True, tag="read-images"):
    """Read image files as they are scored, without scoring them; answered by `ImagesRead`."""

    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=1024)]


class MapBits(msgspec.Struct, frozen=True, tag="map-bits"):
    """Where the bits of an image file are; answered by `BitsMapped`."""

    path: PathText
    reference: Name
    """Its name, as in `Score`: it fixes the colours."""


class DrawMaps(msgspec.Struct, frozen=True, tag="draw-maps"):
    """What a report needs: the maps of image files as pictures, and facts; answered by `MapsDrawn`."""

    paths: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=64)]
    reference: Name
    """As in `MapBits`; empty: the images without maps."""


class ScoreRows(msgspec.Struct, frozen=True, tag="score-rows"):
    """Some more rows of a `Score`; `done` of the `total` files counted so far are scored, `counted`: these are all."""

    rows: Annotated[tuple[ScoreRow, ...], msgspec.Meta(max_length=1024)]
    done: int
    total: int
    counted: bool


class ScoreDone(msgspec.Struct, frozen=True, tag="score-done"):
    """A `Score` came to its end."""

    seconds: float


class ReferenceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the window needs to know of a reference."""

    name: Name
    source: Sentence
    """Where its images are from."""
    images: int
    calibration: int
    """Number of those that p-values are ranks among."""
    created: Name = ""

    @property
    def least_rate(self) -> float:
        """The lowest false-alarm rate that as many calibration images can keep."""
        return 1 / (self.calibration + 1)


class MakingReference(msgspec.Struct, frozen=True, tag="making-reference"):
    """Of a `UseReference`: so many of its images are done; 0 of 0 while they are read."""

    done: int
    total: int


class ReferenceReady(msgspec.Struct, frozen=True, tag="reference-ready"):
    """Last answer to `UseReference`."""

    reference: ReferenceInfo
    names: Names
    """All references of the model."""


class ImagesRead(msgspec.Struct, frozen=True, tag="images-read"):
    """Answer to `ReadImages`: rows with pixels, or the reason why there are none."""

    rows: Annotated[tuple[ScoreRow, ...], msgspec.Meta(max_length=1024)]


class BitsMapped(msgspec.Struct, frozen=True, kw_only=True, tag="bits-mapped"):
    """Answer to `MapBits`; maps are float32 in C order."""

    path: PathText
    image: ImageBatch
    """The image as it was scored, shape (1, H, W, C)."""
    layers: BatchBytes
    """(1 + S, H, W): bits at each pixel, in total and of each scale, finest first."""
    low: ScaleValues
    """(1 + S,): what the darkest colour of each layer stands for, the same for all images of the reference."""
    high: ScaleValues
    """(1 + S,): the brightest colour."""
    limit: BatchBytes
    """(H, W): what a hundredth of the reference images exceed at this place in total."""
    slopes: BatchBytes
    """(H, W): how much log p changes with a pixel, nats per grey level, the sizes of all channels together; empty for a
    model without gradients."""


class TableRows(msgspec.Struct, frozen=True, tag="table-rows"):
    """Some more rows of a `ReadTable`, those with a score."""

    rows: Annotated[tuple[ScoreRow, ...], msgspec.Meta(max_length=1024)]


class TableRead(msgspec.Struct, frozen=True, tag="table-read"):
    """Last answer to `ReadTable`."""

    taken: int
    left: int
    """Rows without a score, those of files that have changed, and those that cannot be read."""


class MapsDrawn(msgspec.Struct, frozen=True, tag="maps-drawn"):
    """Answer to `DrawMaps`: a PNG file for each path, empty for a file that cannot be read."""

    pictures: Annotated[tuple[BatchBytes, ...], msgspec.Meta(max_length=64)]
    facts: ReportFacts


ScoreRequest = Score | ReadTable | UseReference | ReadImages | MapBits | DrawMaps
_TableAnswer = TableRows | TableRead
_ReferenceAnswer = MakingReference | ReferenceReady
ScoreAnswer = ScoreRows | ScoreDone | _TableAnswer | _ReferenceAnswer | ImagesRead | BitsMapped | MapsDrawn
