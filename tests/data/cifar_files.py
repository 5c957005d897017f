"""Small files in the forms of CIFAR-10: binary batches, pickles as Python 2 wrote them, PNG sheets, tar archives."""

import io
import json
import struct
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

RNG = np.random.default_rng(5)
Batch = tuple[np.ndarray, np.ndarray]


def random_batch(count: int) -> Batch:
    """Images `(count, 32, 32, 3)` and labels."""
    return RNG.integers(0, 256, (count, 32, 32, 3), np.uint8), RNG.integers(0, 10, count)


def binary(batch: Batch) -> bytes:
    images, labels = batch
    return b"".join(
        bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in zip(labels, images, strict=True)
    )


def pickled(batch: Batch, shape: tuple[int, int] | None = None) -> bytes:
    """A batch of the Python version, opcode for opcode as Python 2's protocol 2 wrote it."""
    images, labels = batch
    rows, columns = shape or (len(images), 3072)
    pixels = images.transpose(0, 3, 1, 2).tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            b"U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03",
            b"U\x06labelsq\x04]q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85U\x01b\x87Rq\x09",
            b"(K\x01" + struct.pack("<cHcH", b"M", rows, b"M", columns) + b"\x86",
            b"cnumpy\ndtype\nq\x0aU\x02u1K\x00K\x01\x87Rq\x0b",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tb",
            b"U\x09filenamesq\x0c]q\x0d(" + b"".join(b"U\x05a.png" for _ in labels) + b"eu.",
        ]
    )


def sheet(batch: Batch) -> bytes:
    """An image per row, as in the npm package."""
    file = io.BytesIO()
    Image.fromarray(batch[0].reshape(len(batch[0]), 1024, 3)).save(file, "PNG")
    return file.getvalue()


def files_of(form: str, train: list[Batch], test: Batch) -> dict[str, bytes]:
    """The files of a whole set: their names and what is in them."""
    names = [f"data_batch_{number}" for number in range(1, len(train) + 1)] + ["test_batch"]
    write, suffix = {"binary": (binary, ".bin"), "python": (pickled, ""), "sheets": (sheet, ".png")}[form]
    files = {f"{name}{suffix}": write(batch) for name, batch in zip(names, [*train, test], strict=True)}
    if form == "sheets":
        labels = np.concatenate([labels for _, labels in train])
        files["train_lables.json"] = json.dumps(labels.tolist()).encode()
        files["test_lables.json"] = json.dumps(test[1].tolist()).encode()
    return files | {"readme.html": b"<p>", "batches.meta": b"cos\nsystem\n(S'exit 1'\ntR."}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, files: dict[str, bytes], folder: str = "cifar-10-batches-py") -> Path:
    """A tar.gz file with `files` in a folder, last ones first: archives are in no order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in reversed(files.items()):
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
