"""The images that a model's own reference is made of: those that it was trained and validated on."""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from nvp_studio.checkpoints import CheckpointInfo
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError, DataSet
from nvp_studio.data.image_size import ImageSize
from nvp_studio.data.options import Progress as Loading
from nvp_studio.data.options import no_progress
from nvp_studio.data.reading import UNDECIDED, recorded_reading
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.scores.measures import Images
from nvp_studio.scores.reference import (
    OWN,
    NoReferenceError,
    Progress,
    Reference,
    build_reference,
    divided,
)


class _Trained(msgspec.Struct):
    """The part of a `TrainConfig` that says what the data are."""

    data: str = ""
    image_size: ImageSize | None = None
    channels: int | None = None
    data_root: str | None = None


def training_data(info: CheckpointInfo, progress: Loading = no_progress) -> DataSet:
    """Load the data that a model was trained on; raises `NoReferenceError` where they cannot be had."""
    try:
        trained = msgspec.json.decode(info.train_config or "{}", type=_Trained)
        return load_data(
            trained.data or info.data.name,
            image_size=trained.image_size,
            channels=trained.channels,
            data_root=trained.data_root,
            progress=progress,
            reading=UNDECIDED.after(recorded_reading(info.train_config)),
        )
    except (DataError, OSError, msgspec.MsgspecError, RecursionError) as error:
        raise NoReferenceError(f"the data that the model was trained on cannot be read: {error}") from error


def own_reference(
    flow: Inference,
    info: CheckpointInfo,
    digest: str,
    *,
    progress: Progress = lambda done, total: None,
    images: Callable[[], DataSet] | None = None,
) -> Reference:
    """Make the reference of a model from its training and validation images, or from the data that `images` gives.

    Raises `NoReferenceError` where these cannot be had, are too few, or are not the model's.
    """
    data = training_data(info) if images is None else images()
    if data.image_shape != flow.config.image_shape:
        raise NoReferenceError(f"the images of {data.name} have another shape than the model's")
    return build_reference(
        flow,
        data.train.images,
        data.validation.images,
        name=OWN,
        model=digest,
        source=data.title,
        progress=progress,
        created=_now(),
    )


def reference_of_images(
    flow: Inference,
    images: Images,
    digest: str,
    *,
    name: str,
    source: str,
    progress: Progress = lambda done, total: None,
) -> Reference:
    """Make a reference called `name` from images (n, H, W, C) that a person knows to be good.

    Two fifths of them, chosen by their content, are fitted to, the others calibrate. Raises `NoReferenceError`.
    """
    known, held = divided(images)
    return build_reference(flow, known, held, name=name, model=digest, source=source, progress=progress, created=_now())


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")
