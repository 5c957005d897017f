"""Small files in the true formats of published data sets."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def idx(values: np.ndarray) -> bytes:
    """A gzipped IDX file of bytes."""
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return gzip.compress(header + values.tobytes())


def write_idx_pair(folder: Path, start: str, images: np.ndarray, labels: np.ndarray) -> None:
    """`START-images-idx3-ubyte.gz` and its labels."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{start}-images-idx3-ubyte.gz").write_bytes(idx(images))
    (folder / f"{start}-labels-idx1-ubyte.gz").write_bytes(idx(labels.astype(np.uint8)))


def write_mnist(folder: Path, train: np.ndarray, test: np.ndarray) -> None:
    """The four files of MNIST and its relatives, labels counting from 0 to 9."""
    for start, images in (("train", train), ("t10k", test)):
        write_idx_pair(folder, start, images, np.arange(len(images)) % 10)


def write_imagenet(folder: Path, side: int, counts: list[int], rng: np.random.Generator) -> list[np.ndarray]:
    """Ten training batches and the validation batch; returns their images (N, H, W, C)."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"train_data_batch_{number}.npz" for number in range(1, 11)] + ["val_data.npz"]
    batches = []
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        planes = rng.integers(0, 256, (count, 3, side, side), np.uint8)
        save = np.savez if place % 2 else np.savez_compressed
        labels = rng.integers(1, 1001, count)
        save(folder / name, data=planes.reshape(count, -1), labels=labels, mean=planes.reshape(count, -1).mean(0))
        batches.append(planes.transpose(0, 2, 3, 1))
    return batches


def write_celeba(folder: Path, *, csv: bool = False, count: int = 20) -> dict[str, int]:
    """Aligned images of one grey each with their lists, as published or as CSV; returns the part of each image."""
    images = folder / "img_align_celeba"
    images.mkdir(parents=True)
    parts = {f"{number:06}.jpg": 0 if number < 14 else 1 if number < 17 else 2 for number in range(1, count + 1)}
    for number, name in enumerate(parts):
        Image.new("RGB", (178, 218), (10 * number % 256,) * 3).save(images / name)
    facts = {name: (1 if number % 2 else -1, -1) for number, name in enumerate(parts)}
    if csv:
        lines = ["image_id,partition", *(f"{name},{part}" for name, part in parts.items())]
        (folder / "list_eval_partition.csv").write_text("\n".join(lines))
        lines = ["image_id,Smiling,Wearing_Hat", *(f"{name},{a},{b}" for name, (a, b) in facts.items())]
        (folder / "list_attr_celeba.csv").write_text("\n".join(lines))
        return parts
    (folder / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name, part in parts.items()))
    rows = "".join(f"{name} {a:2} {b:2} \n" for name, (a, b) in facts.items())
    (folder / "list_attr_celeba.txt").write_text(f"{count}\nSmiling Wearing_Hat \n{rows}")
    return parts
