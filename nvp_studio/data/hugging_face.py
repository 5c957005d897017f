"""Image data sets of Hugging Face, by the library `datasets` where it is installed: by name, a folder or parquet files.

A name is downloaded only by `nvp-studio data prepare NAME --download`; loading looks at what is on this machine alone.
"""

import hashlib
import os
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from nvp_studio.data.arrays import LoadedData, reason_of
from nvp_studio.data.background import while_told
from nvp_studio.data.dataset import SPLIT_BY_NAME, SPLITS, DataError, Labels
from nvp_studio.data.decode_child import Source
from nvp_studio.data.image_files import (
    ImageShape,
    common_shape,
    decide_reading,
    decoded_rows,
    facts_of_images,
    headers_of,
)
from nvp_studio.data.images import ImageError
from nvp_studio.data.options import LoadOptions, Progress
from nvp_studio.data.partition import held_out
from nvp_studio.data.prepared import load_prepared
from nvp_studio.data.reading import Reading
from nvp_studio.data.row_writer import Plan, Row
from nvp_studio.text import command_line, one_line

PREFIX = "hf:"
EXTRA = "pip install 'nvp-studio[datasets]'"

_SAVED = ("dataset_dict.json", "state.json")
"""Files that `save_to_disk` writes, by which its folders are recognized."""
_LOOKED_AT = 200
"""Images of a split by which the shape and the range of values are decided, where none is given."""


def is_hugging_face(spec: str) -> bool:
    """Whether `spec` is a name with the prefix "hf:", a parquet file, or a folder of these or of a saved data set."""
    if spec.startswith(PREFIX):
        return True
    path = Path(os.path.expanduser(spec))
    if path.suffix.lower() == ".parquet":
        return path.is_file()
    try:
        if not path.is_dir():
            return False
        return any((path / name).is_file() for name in _SAVED) or any(
            next(folder.glob("*.parquet"), None) is not None for folder in (path, path / "data")
        )
    except OSError:
        return False


def load_hugging_face(spec: str, options: LoadOptions, *, download: bool = False) -> LoadedData:
    """Return the images of `spec`, prepared and mapped into memory.

    The first column of images is taken, and the first of class labels. Splits by the names train, validation and test
    are; without one for validation, about a tenth of the training images are held out by their number. Raises
    `DataError`.
    """
    name = spec.removeprefix(PREFIX)
    word = "downloading" if download else "opening"
    splits = while_told(lambda: _open(name, download), options.progress, f"{word} {one_line(name)}")
    settings = (options.image_size, options.channels)
    prints = [(name, f"{split._fingerprint} {len(split)}") for name, split in splits.items()]
    key = hashlib.sha256(repr((settings, prints)).encode()).hexdigest()
    return load_prepared(
        _local(spec) or spec,
        settings,
        key,
        lambda: _plan(spec, splits, options),
        options.progress,
        options.reading,
    )


def download_size(name: str, progress: Progress) -> int | None:
    """The bytes that a download of the set `name` brings, None where its page does not say."""

    def ask() -> Any:
        with _explained(name):
            return _library(download=True).load_dataset_builder(name.removeprefix(PREFIX)).info.download_size

    size = while_told(ask, progress, f"asking for {one_line(name)}")
    return int(size) if size else None


def _library(download: bool) -> Any:
    """The library, which uses the network only for a `download`, whatever the environment says."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        os.environ[name] = "0" if download else "1"
    try:
        import datasets
        import huggingface_hub
    except ImportError as error:
        raise DataError(f"data sets of Hugging Face need the library datasets: {EXTRA}") from error
    # Both read the environment once, when they are imported, which may have been for a download.
    for settings in (datasets.config, huggingface_hub.constants):
        settings.HF_HUB_OFFLINE = not download
    datasets.disable_progress_bars()
    return datasets


def _local(spec: str) -> Path | None:
    """The file or folder that `spec` stands for; None when it is a name."""
    path = Path(os.path.expanduser(spec.removeprefix(PREFIX)))
    return path if path.exists() else None


@contextmanager
def _explained(name: str) -> "Generator[None, None, None]":
    """Turn whatever the library raises into a `DataError`."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # the library raises whatever its readers and its network do
        raise DataError(f"{name} cannot be loaded: {reason_of(error)}") from error


def _open(name: str, download: bool) -> dict[str, Any]:
    """The splits by the names in `SPLITS`; `train` is always among them."""
    path = _local(name)
    library = _library(download)
    with _explained(name):
        if path is not None and path.is_dir() and any((path / file).is_file() for file in _SAVED):
            loaded = library.load_from_disk(str(path))
        elif path is not None:
            loaded = library.load_dataset("parquet", data_files=_parquet_files(path))
        elif download:
            loaded = library.load_dataset(name)
        else:
            try:
                loaded = library.load_dataset(name)
            except Exception as error:
                raise DataError(
                    f"{name} is not on this machine ({reason_of(error)}); "
                    f"to download it: {command_line('nvp-studio', 'data', 'prepare', f'{PREFIX}{name}', '--download')}"
                ) from error
    splits = dict(loaded) if isinstance(loaded, Mapping) else {"train": loaded}
    named = {SPLIT_BY_NAME[split]: rows for split, rows in splits.items() if split in SPLIT_BY_NAME and len(rows)}
    if "train" not in named:
        raise DataError(f"{name} has no split 'train' but {', '.join(splits) or 'none'}")
    return {split: named[split] for split in SPLITS if split in named}


def _parquet_files(path: Path) -> dict[str, list[str]]:
    """The files of each split, told by their folders or names, such as train-00000-of-00002.parquet."""
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    files_of: dict[str, list[str]] = {}
    for file in files:
        words = [file.stem.split("-")[0].lower(), file.parent.name.lower()]
        split = next((SPLIT_BY_NAME[word] for word in words if word in SPLIT_BY_NAME), "train")
        files_of.setdefault(split, []).append(str(file))
    return files_of


def _plan(spec: str, splits: dict[str, Any], options: LoadOptions) -> Plan:
    library = _library(download=False)
    first = splits["train"]
    column = _column(first, library.Image)
    if column is None:
        raise DataError(f"{spec} has no column of images: {', '.join(first.features)}")
    encoded = [split.cast_column(column, library.Image(decode=False)) for split in splits.values()]
    label = _column(first, library.ClassLabel)
    folders = _download_folders(library) if _local(spec) is None else ()
    numbers = np.repeat([SPLITS.index(name) for name in splits], [len(split) for split in splits.values()])
    order = np.arange(len(numbers))
    if options.reading.split == "none":
        numbers[:] = SPLITS.index("train")
    if SPLITS.index("validation") not in numbers:
        train = np.flatnonzero(numbers == SPLITS.index("train"))
        numbers[train[held_out([str(number) for number in range(len(train))])]] = SPLITS.index("validation")
        order = np.argsort(numbers, kind="stable")
    labels = None if options.reading.labels == "none" else _labels(splits.values(), label)
    rows = chain.from_iterable(islice(split, _LOOKED_AT) for split in encoded)
    looked_at: deque[Source | ImageError] = deque()
    sources = _noted((_image_in(row[column], folders) for row in rows), looked_at)
    headers = []
    with closing(headers_of(sources, sum(min(len(split), _LOOKED_AT) for split in encoded), options.progress)) as found:
        for header in found:
            image = looked_at.popleft()
            if not isinstance(header, ImageError) and not isinstance(image, ImageError):
                headers.append((image, header))
    if not headers:
        raise DataError("none of the images can be read")
    image_shape = common_shape(Counter(header[0] for _, header in headers), options)
    reading, suspicions = decide_reading(
        [header[1] for _, header in headers],
        lambda numbers, kind: facts_of_images([headers[number][0] for number in numbers], kind),
        options.reading,
        options.progress,
    )
    return Plan(
        title=spec.removeprefix(PREFIX),
        image_shape=image_shape,
        splits=numbers[order].astype(np.uint8),
        rows=lambda number: _rows(encoded, column, folders, order[number:].tolist(), image_shape, reading),
        labels=None if labels is None else labels[order],
        label_names=() if labels is None or label is None else tuple(first.features[label].names),
        reading=reading,
        suspicions=tuple(suspicions),
    )


def _noted(images: Iterable[Source | ImageError], noted: "deque[Source | ImageError]") -> Iterator[Source | ImageError]:
    """Hand the images on, and keep them in `noted` besides."""
    for image in images:
        noted.append(image)
        yield image


def _column(split: Any, kind: Any) -> str | None:
    """The first column of this kind."""
    return next((name for name, feature in split.features.items() if isinstance(feature, kind)), None)


def _labels(splits: Iterable[Any], column: str | None) -> Labels | None:
    """The labels of all splits, None where there are none or some images have none (-1)."""
    if column is None:
        return None
    labels = np.concatenate([np.array(split.with_format(None)[column][:], np.int64) for split in splits])
    return None if len(labels) and labels.min() < 0 else labels


def _rows(
    splits: list[Any],
    column: str,
    folders: Sequence[Path],
    numbers: Sequence[int],
    image_shape: ImageShape,
    reading: Reading,
) -> Generator[Row | None, None, None]:
    """Yield the images with these numbers, counted through all splits, and None while the next one is decoded."""
    sources = _sources(splits, column, folders, numbers)
    return decoded_rows(sources, (f"image {number}" for number in numbers), image_shape, reading)


def _sources(
    splits: list[Any], column: str, folders: Sequence[Path], numbers: Sequence[int]
) -> Iterator[Source | ImageError]:
    stops = np.cumsum([len(split) for split in splits])
    for number in numbers:
        split = int(np.searchsorted(stops, number, side="right"))
        place = int(number - (stops[split] - len(splits[split])))
        yield _image_in(splits[split][place][column], folders)


def _image_in(value: Any, folders: Sequence[Path]) -> Source | ImageError:
    """The content of an image file, which stands in the row, or the file that the row names, or why there is none.

    Whoever wrote the row may have named any file of this machine; only those in `folders` are taken.
    """
    content, named = (None, None) if value is None else (value.get("bytes"), value.get("path"))
    if content is not None:
        return bytes(content)
    if not isinstance(named, str):
        return ImageError("there is no image")
    try:
        path = Path(named).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        return ImageError(reason_of(error))
    if not any(path.is_relative_to(folder) for folder in folders):
        return ImageError("not in the data themselves, which name a file elsewhere")
    return path


def _download_folders(library: Any) -> tuple[Path, ...]:
    """The folders that the library downloads to."""
    import huggingface_hub

    return Path(library.config.HF_DATASETS_CACHE).resolve(), Path(huggingface_hub.constants.HF_HUB_CACHE).resolve()
