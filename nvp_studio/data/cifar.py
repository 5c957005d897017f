"""CIFAR-10's binary batches."""

from pathlib import Path

import numpy as np

from nvp_studio.data.arrays import Parts, check_size, one_line
from nvp_studio.data.dataset import DataError, Split

LABEL_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_RECORD = 1 + 3 * 32 * 32


def holds_cifar(folder: Path) -> bool:
    """Whether `folder` has binary batches: files `*.bin` of whole records."""
    batches = [path.stat().st_size for path in folder.glob("*.bin") if path.is_file()]
    return any(size > 0 and size % _RECORD == 0 for size in batches)


def load_cifar(path: Path) -> Parts:
    """Load CIFAR-10's binary version: one batch, or a folder of them, where `test_batch.bin` is the test split."""
    if path.is_file():
        return Parts(read_cifar_batch(path), label_names=LABEL_NAMES)
    batches = sorted(file for file in path.glob("*.bin") if file.is_file())
    test = [file for file in batches if file.name.startswith("test")]
    train = [read_cifar_batch(file) for file in batches if file not in test]
    if not train:
        raise DataError(f"only test batches in {path}; training needs data_batch_1.bin and its like")
    return Parts(
        Split(
            np.concatenate([batch.images for batch in train]),
            np.concatenate([batch.labels for batch in train if batch.labels is not None]),
        ),
        test=read_cifar_batch(test[0]) if test else None,
        label_names=LABEL_NAMES,
    )


def read_cifar_batch(path: Path) -> Split:
    """Return the 32x32 colour images and labels of one binary batch: per image a label byte, then its C, H, W bytes."""
    try:
        size = path.stat().st_size
        if size == 0 or size % _RECORD:
            raise DataError(f"{path.name} is not a CIFAR-10 binary batch: its size is no multiple of {_RECORD}")
        check_size(size, path.name)
        records = np.fromfile(path, np.uint8).reshape(-1, _RECORD)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {one_line(error)}") from error
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(LABEL_NAMES):
        raise DataError(f"{path.name} is not a CIFAR-10 binary batch: it has a label {labels.max()}")
    return Split(np.ascontiguousarray(records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels)
