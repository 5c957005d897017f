"""Pack Peeps for `resources/data/peeps` and measure the ways to do it.

    cd benchmarks/peeps && npm install && node render.mjs FOLDER
    python benchmarks/pack_peeps.py pack FOLDER
    python benchmarks/pack_peeps.py measure FOLDER
    python benchmarks/pack_peeps.py sheet PNG_FILE

The first line draws the faces, in some minutes. `docs/data.md` holds the table that `measure` printed and the picture
that `sheet` drew.
"""

import argparse
import gzip
import hashlib
import io
import json
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
RESOURCES = Path(__file__).resolve().parent.parent / "resources" / "data" / "peeps"
ATTRIBUTES = CATALOGUE["peeps"].attributes
SIDE = 32
XZ = {"preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "lp": 0, "pb": 0}


def read_rendered(folder: Path) -> tuple[Bytes, Bytes]:
    """Return the faces `(N, 32, 32, 3)` and their attributes `(N, A)`, as render.mjs left them."""
    images = np.fromfile(folder / "pixels.bin", np.uint8).reshape(-1, SIDE, SIDE, 3)
    labels = json.loads((folder / "labels.json").read_text("utf-8"))
    names = {attribute.name: list(attribute.values) for attribute in ATTRIBUTES}
    if list(labels["attributes"].items()) != list(names.items()):
        raise SystemExit("the names in render.mjs and those in resources/data/catalogue.toml differ")
    return images, np.array(labels["labels"], np.uint8)


def xz(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, **XZ}])


def pack(images: Bytes, attributes: Bytes) -> None:
    RESOURCES.mkdir(parents=True, exist_ok=True)
    write_whole(RESOURCES / "images.xz", xz(images.tobytes()))
    write_whole(RESOURCES / "attributes.xz", xz(attributes.tobytes()))
    start = time.process_time()
    data = load_data("peeps")
    print(f"unpacked in {time.process_time() - start:.2f} s of processor time")
    print("bytes", {path.name: path.stat().st_size for path in RESOURCES.glob("*.xz")})
    print("sha-256 of the pixels", hashlib.sha256(images.tobytes()).hexdigest())
    print("digest", digest_of(data.train, data.validation, data.test))


def sheet_of(images: Bytes, columns: int) -> Bytes:
    """Lay images `(N, H, W, 3)` out in rows of `columns`, as many as fill whole rows."""
    rows = len(images) // columns
    tiles = images[: rows * columns].reshape(rows, columns, SIDE, SIDE, 3)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3, 4).reshape(rows * SIDE, columns * SIDE, 3))


def picture_codec(kind: str, **options: object) -> tuple[Callable[[Bytes], bytes], Callable[[bytes], object]]:
    def encode(pixels: Bytes) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(sheet_of(pixels, 50)).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode, lambda data: Image.open(io.BytesIO(data)).load()


def palette(images: Bytes) -> bytes:
    """All colours, the most frequent first, and after them each pixel's place among them in two bytes."""
    packed = images.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")
    rank = np.empty(len(colours), np.uint16)
    rank[frequent] = np.arange(len(colours))
    return colours[frequent].astype("<u4").tobytes() + rank[places].astype("<u2").tobytes()


def candidates(
    images: Bytes, attributes: Bytes
) -> Iterator[tuple[str, list[Bytes], Callable[[Bytes], bytes], Callable[[bytes], object]]]:
    """Yield the ways to pack: name, pieces, encoder, decoder."""
    sheets = [images[start : start + 2000] for start in range(0, len(images), 2000)]
    from_green = images - images[..., 1:2] * np.array([1, 0, 1], np.uint8)
    names = [attribute.name for attribute in ATTRIBUTES]
    order = ("hair style", "hair colour", "background", "skin tone", "beard", "mask", "glasses", "expression")
    like_to_like = images[np.lexsort([attributes[:, names.index(name)] for name in reversed(order)])]
    yield "gzip -9", [images], lambda x: gzip.compress(x.tobytes(), 9), gzip.decompress
    yield "PNG sheets", sheets, *picture_codec("PNG", optimize=True)
    yield "WebP sheets, method 4", sheets, *picture_codec("WEBP", lossless=True, method=4)
    yield "xz, colours apart", [images.transpose(0, 3, 1, 2)], lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, red and blue as differences from green", [from_green], lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, columns", [images.transpose(0, 2, 1, 3)], lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, palette and two bytes a pixel", [images], lambda x: xz(palette(x)), lzma.decompress
    yield "xz, rows, sorted by attributes", [like_to_like], lambda x: xz(x.tobytes()), lzma.decompress
    yield "xz, rows", [images], lambda x: xz(x.tobytes()), lzma.decompress


def measure(images: Bytes, attributes: Bytes) -> None:
    """Print, for each candidate, megabytes and seconds of processor time to decode, for all faces."""
    for name, pieces, encode, decode in candidates(images, attributes):
        packed = [encode(piece) for piece in pieces]
        start = time.process_time()
        for data in packed:
            decode(data)
        print(f"| {name} | {sum(map(len, packed)) / 1e6:.2f} | {time.process_time() - start:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("pack", "measure", "sheet"))
    parser.add_argument("path", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "sheet":
        faces = Image.fromarray(sheet_of(load_data("peeps").train.images[:128], 16))
        faces.resize((1024, 512), Image.Resampling.NEAREST).save(arguments.path, optimize=True)
        return
    {"pack": pack, "measure": measure}[arguments.action](*read_rendered(arguments.path))


if __name__ == "__main__":
    main()
