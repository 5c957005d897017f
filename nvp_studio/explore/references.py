"""References of an opened model: found, made of its own data or of a person's images, and kept."""

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import numpy as np

from nvp_studio.checkpoints import find_checkpoint
from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ReadImage
from nvp_studio.explore.model import OpenedModel
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.scores.measures import Images
from nvp_studio.scores.reference import OWN, NoReferenceError, Progress, Reference
from nvp_studio.scores.reference_data import own_reference, reference_of_images
from nvp_studio.scores.reference_file import check_name, find_reference, keep_reference, names_of
from nvp_studio.scores.temperatures import usual_temperatures

MAX_IMAGES = 10_000
"""Most images of a folder that a reference is made of."""


def reference_names(model: OpenedModel) -> list[str]:
    """The names of the model's references, its own first, which is there once it was needed."""
    return names_of(model.path, model.digest)


def known_reference(model: OpenedModel, name: str = OWN) -> Reference | None:
    """The model's reference of this name; None where it was not made yet, or for other weights.

    Raises `NoReferenceError` for a damaged file.
    """
    return find_reference(model.path, model.digest, model.flow.config, name)


def needed_reference(model: OpenedModel, progress: Progress = lambda done, total: None) -> Reference:
    """The model's own reference; made, which takes a minute or so, and kept where it is not there yet.

    `progress` gets how many images are done and their total; what it raises ends the work. Raises `NoReferenceError`
    where the training data cannot be had.
    """
    try:
        found = known_reference(model)
    except NoReferenceError:
        found = None  # damaged; it can be made again
    if found is not None:
        return found
    reference = own_reference(model.flow, model.info, model.digest, progress=progress)
    _keep(model, reference)
    return reference


def sample_temperatures(model: OpenedModel) -> tuple[float, ...]:
    """The temperatures of new samples of each scale, finest first: those of the model's own reference, or the usual."""
    try:
        found = known_reference(model)
    except NoReferenceError:
        found = None
    return (found.temperatures if found is not None else ()) or usual_temperatures(len(model.flow.scales))


def make_reference(
    model: OpenedModel,
    paths: Iterable[str | os.PathLike[str]],
    name: str,
    *,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Reference:
    """Make a reference called `name` of the images under `paths` (files, folders, archives) and keep it.

    At most `MAX_IMAGES` of them; files that are no images are left out. Raises `NoReferenceError` where there are too
    few, for a name that cannot be that of a file, and for that of the model's own reference.
    """
    if check_name(name) == OWN:
        raise NoReferenceError(f"{OWN} is the reference of the model's own data; choose another name")
    named = [os.fspath(path) for path in paths]
    images = images_under(model, named, cancelled)
    source = ", ".join(named)
    reference = reference_of_images(model.flow, images, model.digest, name=name, source=source, progress=progress)
    _keep(model, reference)
    return reference


def images_under(model: OpenedModel, paths: Iterable[str], cancelled: Callable[[], bool] = lambda: False) -> Images:
    """The readable images under `paths` as the model takes them, (n, H, W, C) uint8, at most `MAX_IMAGES`."""
    found: list[Images] = []
    with Archives() as archives:
        files = (path for path in archives.find(paths) if isinstance(path, Path))
        sources = (archives.source(path) for path in files)
        with closing(decoders().read(sources, model.image_shape, model.reading, cancelled)) as images:
            for image in images:
                if isinstance(image, ReadImage):
                    found.append(image.pixels)
                if len(found) == MAX_IMAGES:
                    break
    if not found:
        raise NoReferenceError("there are no images that could be read")
    return np.stack(found)


def _keep(model: OpenedModel, reference: Reference) -> None:
    """Write it to its place; where no place can be written it is made anew next time."""
    included = [find_checkpoint(name).absolute() for name in INCLUDED_MODELS]
    try:
        keep_reference(reference, model.path, beside=Path(model.path) not in included)
    except OSError as error:
        if not reference.own:
            raise NoReferenceError(f"the reference cannot be written: {error.strerror or error}") from error
