"""Pack Fashion-MNIST for `resources/data/fashion-mnist` and measure the ways to do it.

    python benchmarks/pack_fashion_mnist.py pack FOLDER_OF_IDX_FILES
    python benchmarks/pack_fashion_mnist.py measure FOLDER_OF_IDX_FILES

The folder holds the four original files (`train-images-idx3-ubyte.gz` and so on), as
https://github.com/zalandoresearch/fashion-mnist and Debian's package `dataset-fashion-mnist` have them.
`docs/data.md` holds the table that `measure` printed.
"""

import argparse
import gzip
import io
import lzma
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from nvp_studio.data import load_data
from nvp_studio.data.catalogue import CATALOGUE
from nvp_studio.data.dataset import digest_of
from nvp_studio.files import write_whole

Bytes = npt.NDArray[np.uint8]
RESOURCES = Path(__file__).resolve().parent.parent / "resources" / "data" / "fashion-mnist"
LABEL_NAMES = CATALOGUE["fashion-mnist"].label_names
ORDERS: dict[str, tuple[int, int, int]] = {"rows": (0, 1, 2), "columns": (0, 2, 1)}
# An image is 784 bytes and resembles others of its class anywhere: a megabyte of history is as good as eight, and
# keeps unpacking light. Four bits of literal context and no alignment suit pixels best of the settings tried.
XZ = {"preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0, "dict_size": 1 << 20}


def read_idx(folder: Path) -> tuple[Bytes, Bytes]:
    """Return the 70 000 images `(N, 28, 28)` and their labels `(N,)`, training images first."""

    def payload(name: str, header: int) -> Bytes:
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=header)

    images = [payload(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28) for part in ("train", "t10k")]
    labels = [payload(f"{part}-labels-idx1-ubyte.gz", 8) for part in ("train", "t10k")]
    return np.concatenate(images), np.concatenate(labels)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, **XZ}])


def pack(images: Bytes, labels: Bytes) -> None:
    """Write the resource files: for each class, the pixel order that takes fewer bytes."""
    RESOURCES.mkdir(parents=True, exist_ok=True)
    for old in RESOURCES.glob("*.xz"):
        old.unlink()
    write_whole(RESOURCES / "labels.xz", xz(labels.tobytes()))
    for label in range(len(LABEL_NAMES)):
        packed = {order: xz(images[labels == label].transpose(axes).tobytes()) for order, axes in ORDERS.items()}
        best = min(packed, key=lambda order: len(packed[order]))
        write_whole(RESOURCES / f"images-{label}-{best}.xz", packed[best])
        print(f"{LABEL_NAMES[label]:12s} {best:8s}", {order: len(data) for order, data in packed.items()}, flush=True)
    total = sum(path.stat().st_size for path in RESOURCES.glob("*.xz"))
    start = time.process_time()
    data = load_data("fashion-mnist")
    print(f"{total:,} bytes, unpacked in {time.process_time() - start:.2f} s of processor time")
    print("digest", digest_of(data.train, data.validation, data.test))


def sheet(images: Bytes, columns: int) -> Bytes:
    """Lay images `(N, H, W)` out in rows of `columns`, as many as fill whole rows: `(N / columns * H, columns * W)`."""
    rows = len(images) // columns
    tiles = images[: rows * columns].reshape(rows, columns, 28, 28)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3).reshape(rows * 28, columns * 28))


def picture_codec(kind: str, **options: object) -> tuple[Callable[[Bytes], bytes], Callable[[bytes], object]]:
    def encode(pixels: Bytes) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode, lambda data: Image.open(io.BytesIO(data)).load()


def candidates(
    images: Bytes, labels: Bytes
) -> Iterator[tuple[str, list[Bytes], Callable[..., bytes], Callable[..., object]]]:
    """Yield the ways to pack: name, pieces, encoder, decoder."""
    by_class = [images[labels == label] for label in range(len(LABEL_NAMES))]
    turned = [part.transpose(0, 2, 1) for part in by_class]
    sheets = [sheet(part, 50) for part in by_class]
    turned_sheets = [sheet(part, 50) for part in turned]
    whole = [images[start : start + 7000] for start in range(0, len(images), 7000)]
    yield "gzip -9, rows, as published", whole, lambda x: gzip.compress(x.tobytes(), 9), gzip.decompress
    yield "PNG sheets, by class", sheets, *picture_codec("PNG", optimize=True)
    yield "WebP sheets, method 4", [sheet(part, 50) for part in whole], *picture_codec("WEBP", lossless=True, method=4)
    yield "WebP sheets, by class", sheets, *picture_codec("WEBP", lossless=True, method=4)
    yield "WebP sheets, by class, turned", turned_sheets, *picture_codec("WEBP", lossless=True, method=4)
    yield "JPEG 2000 sheets, by class", sheets, *picture_codec("JPEG2000", irreversible=False)
    yield "xz, rows", whole, lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, rows, by class", by_class, lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, columns, by class", turned, lambda x: xz(x.tobytes()), lzma.decompress


def measure(images: Bytes, labels: Bytes) -> None:
    """Print, for each candidate, megabytes and seconds of processor time to decode, for all 70 000 images."""
    for name, pieces, encode, decode in candidates(images, labels):
        packed = [encode(np.ascontiguousarray(piece)) for piece in pieces]
        start = time.process_time()
        for data in packed:
            decode(data)
        print(f"| {name} | {sum(map(len, packed)) / 1e6:.2f} | {time.process_time() - start:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("pack", "measure"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    images, labels = read_idx(arguments.folder)
    {"pack": pack, "measure": measure}[arguments.action](images, labels)


if __name__ == "__main__":
    main()
