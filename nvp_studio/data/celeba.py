"""CelebA: aligned photographs of faces, with forty attributes of each and the published partition."""

import os
import re
from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import LoadedData, reading
from nvp_studio.data.dataset import SPLITS, Attribute, DataError
from nvp_studio.data.image_files import ImageFile, common_shape, listing_key, read_headers, read_rows
from nvp_studio.data.options import LoadOptions
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.row_writer import Plan

_IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba")
"""Folders of the images; the first is how some archives unpack."""
_PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
_ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_MAX_TEXT_BYTES = 64 * 2**20


def find_celeba(variant: str, folder: Path) -> Path | None:
    """Return `folder` when it holds the aligned images and the list of their partition."""
    return folder if _images_folder(folder) is not None and _first(folder, _PARTITION) is not None else None


def read_celeba(variant: str, folder: Path, options: LoadOptions) -> LoadedData:
    """Return the images in their published partition, with their attributes where the list of these is there."""
    images = _images_folder(folder)
    partition = _first(folder, _PARTITION)
    if images is None or partition is None:
        raise DataError(f"{folder} holds no CelebA: it needs img_align_celeba and list_eval_partition.txt")
    numbers = {name: int(values[0]) for name, values in _table(partition, 1)[1].items()}
    if not set(numbers.values()) <= set(range(len(SPLITS))):
        raise DataError(f"{partition.name} names other splits than 0, 1 and 2")
    ordered = sorted(numbers, key=lambda name: (numbers[name], name))
    files = [ImageFile(images / name, name) for name in ordered]
    attributes = _first(folder, _ATTRIBUTES)
    lists = [ImageFile(path, path.name) for path in (partition, attributes) if path is not None]
    settings = (options.image_size, options.channels)

    def make_plan() -> Plan:
        missing = len(numbers.keys() - set(os.listdir(images)))
        if missing:
            raise DataError(f"{missing:,} of the {len(numbers):,} images are not in {images}; unpack all of them")
        # All have one size; the first that can be read tells it.
        headers = read_headers(files[:20], options.progress)
        if not headers.readable:
            raise DataError(f"no images that can be read in {images} ({headers.problems[0]})")
        image_shape = common_shape(headers.shapes, options)
        names, values = _attributes(attributes, ordered)
        return Plan(
            title="CelebA",
            image_shape=image_shape,
            splits=np.array([numbers[name] for name in ordered], np.uint8),
            rows=lambda first: read_rows(files[first:], image_shape, options.reading),
            attributes=values,
            attribute_names=names,
            reading=options.reading,
        )

    listing = listing_key([*files, *lists], *settings, progress=options.progress)
    return load_prepared(folder, settings, listing, make_plan, options.progress, options.reading)


def _images_folder(folder: Path) -> Path | None:
    return next((folder / name for name in _IMAGES if (folder / name).is_dir()), None)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _attributes(
    path: Path | None, ordered: list[str]
) -> tuple[tuple[Attribute, ...], "np.ndarray[tuple[int, int], np.dtype[np.uint8]] | None"]:
    """The attributes by name, each present or absent, and for each of the images `ordered` which it has."""
    if path is None:
        return (), None
    names, rows = _table(path, None)
    missing = next((name for name in ordered if name not in rows), None)
    if missing is not None or not names:
        raise DataError(f"{path.name} says nothing of {missing or 'any attribute'}")
    values = np.array([[value == "1" for value in rows[name]] for name in ordered], np.uint8)
    attributes = tuple(Attribute(name.replace("_", " ").lower(), ("none", "present")) for name in names)
    return attributes, values


def _table(path: Path, columns: int | None) -> tuple[list[str], dict[str, list[str]]]:
    """The names of the columns, if the file has them, and for each image its values.

    The lists are found as published, with spaces between the words, and as CSV with a heading.
    """
    with reading(path.name):
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise DataError(f"{path.name} is too large for a list of CelebA")
        lines = path.read_text("utf-8").splitlines()
    names: list[str] = []
    rows: dict[str, list[str]] = {}
    for line in lines:
        words = [word for word in re.split(r"[,\s]+", line.strip()) if word]
        if not words or (len(words) == 1 and words[0].isdigit()):  # how many images there are
            continue
        if re.fullmatch(r"\d+\.(jpg|png)", words[0]):
            rows[words[0]] = words[1:]
        else:
            names = words[1:] if words[0] == "image_id" else words
    wanted = columns or len(names)
    if not rows or any(len(values) != wanted for values in rows.values()):
        raise DataError(f"{path.name} is not a list of CelebA with {wanted} values for each image")
    return names, rows
