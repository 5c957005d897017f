"""Compare CIFAR-10 in any of its forms with the published binary version, batch by batch.

    python benchmarks/check_cifar.py PATH

PATH is a folder or an archive. The binary version is rebuilt from it, and its MD5 compared with the published ones.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

from nvp_studio.data.cifar import read_cifar
from nvp_studio.data.dataset import Split

BATCH = 10_000
MD5 = (
    "5dd7e06a14cb22eb9f671a540d1b7c25",
    "5ea93a67294ea407fff1d09f752e9692",
    "942cd6a4bcdd0dd3c604fbe906cb4421",
    "ae636b3ba5c66a11e91e8cb52e771fcb",
    "53f37980c15c3d472c316c40844f3f0d",
    "803d5f7f4d78ea53de84dbe85f74fb6d",
)
"""Of the five training batches and the test batch."""


def digests(split: Split) -> list[str]:
    """The MD5 of each batch of 10 000 images in the binary form: label, then red, green and blue."""
    assert split.labels is not None
    planes = split.images.transpose(0, 3, 1, 2).reshape(len(split), -1)
    records = np.concatenate([split.labels.astype(np.uint8)[:, None], planes], axis=1)
    pieces = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]
    return [hashlib.md5(piece.tobytes(), usedforsecurity=False).hexdigest() for piece in pieces]


def main() -> None:
    loaded = read_cifar("cifar-10", Path(sys.argv[1]))
    found = [*digests(loaded.train), *(digests(loaded.test) if loaded.test is not None else ())]
    print("equal" if found == list(MD5) else f"not equal: {found}")


if __name__ == "__main__":
    main()
