"""What is usual in each row of the ledger: its mean and spread over the images that the model was validated on.

It is measured when it is asked for, and kept as a small JSON file beside the model's references.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.checkpoints import find_checkpoint
from nvp_studio.explore.ledger import dequantized
from nvp_studio.explore.ledger_rows import Baseline, BaselineRow
from nvp_studio.explore.model import OpenedModel
from nvp_studio.files import read_regular, write_whole
from nvp_studio.flow.engine.walk import Walk
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.scores.reference import NoReferenceError, evenly
from nvp_studio.scores.reference_data import training_data
from nvp_studio.scores.reference_file import folders

IMAGES = 256
"""Most images that are measured."""
FILE = "ledger.json"
_BATCH = 16
_MOST_BYTES = 4 * 2**20
Progress = Callable[[int, int], None]


def known_baseline(model: OpenedModel) -> Baseline | None:
    """The model's baseline that was kept; None where there is none for these weights that can be read."""
    for folder in folders(model.path, model.digest):
        try:
            found = msgspec.json.decode(read_regular(folder / FILE, _MOST_BYTES), type=Baseline)
        except (OSError, ValueError, RecursionError):
            continue
        if found.model == model.digest:
            return found
    return None


def needed_baseline(model: OpenedModel, progress: Progress = lambda done, total: None) -> Baseline:
    """The model's baseline; measured, which takes some seconds, and kept where it is not there yet.

    `progress` gets how many images are done and their total; what it raises ends the work. Raises `NoReferenceError`
    where the training data cannot be had.
    """
    found = known_baseline(model)
    if found is not None:
        return found
    progress(0, IMAGES)
    data = training_data(model.info)
    if data.image_shape != model.image_shape:
        raise NoReferenceError(f"the images of {data.name} have another shape than the model's")
    images = data.validation.images if len(data.validation.images) else data.train.images
    baseline = measured(model, evenly(images, IMAGES), data.title, progress)
    _keep(model, baseline)
    return baseline


def measured(
    model: OpenedModel,
    images: npt.NDArray[np.uint8],
    source: str,
    progress: Progress = lambda done, total: None,
) -> Baseline:
    """The baseline of 8-bit images (N, H, W, C), each dequantized by the noise of its score with seed 0.

    Raises `NoReferenceError` where there are none, or the model gives some of them no finite number.
    """
    if not len(images):
        raise NoReferenceError("there are no images that a baseline could be measured on")
    walk = Walk(model.flow)
    names: list[str] = []
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        stages = [(stage.name, stage.nats) for stage in walk.stages(dequantized(model.flow, batch, 0, 0))]
        names = [name for name, _ in stages]
        parts.append(np.stack([nats.cpu().double().numpy() for _, nats in stages], 1))
        progress(start + len(batch), len(images))
    bits = np.concatenate(parts) / (-model.flow.config.dimensions * np.log(2))
    if not np.isfinite(bits).all():
        raise NoReferenceError("the model gives some of the images no finite number")
    rows = (BaselineRow(*row) for row in zip(names, bits.mean(0).tolist(), bits.std(0).tolist(), strict=True))
    return Baseline(model=model.digest, source=source, images=len(images), rows=tuple(rows))


def _keep(model: OpenedModel, baseline: Baseline) -> None:
    """Write it beside the model, or into the user's own folder; where neither can be written it is made anew."""
    included = [find_checkpoint(name).absolute() for name in INCLUDED_MODELS]
    beside, own = folders(model.path, model.digest)
    for folder in (own,) if Path(model.path) in included else (beside, own):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(folder / FILE, msgspec.json.encode(baseline))
            return
        except OSError:
            continue
