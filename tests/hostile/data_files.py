"""Data of ill will that a stranger may give: arrays, images, batches and recipes, and what must be said of each."""

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

Build = Callable[[Path], object]
"""Makes the file, or the folder of files, at a path."""


def holds(content: bytes) -> Build:
    return lambda path: path.write_bytes(content)


def in_folder(**files: bytes) -> Build:
    """A folder of files; two underscores in a name stand for a dot."""

    def build(path: Path) -> None:
        path.mkdir()
        for name, content in files.items():
            (path / name.replace("__", ".")).write_bytes(content)

    return build


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(shape: object, descr: str = "|u1", data: bytes = b"", *, version: int = 1) -> bytes:
    """A .npy file of this shape and type, whatever data it has."""
    return npy_header(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}", data, version=version)


def npy_header(text: str, data: bytes = b"", *, version: int = 1) -> bytes:
    header = text.encode().ljust(117) + b"\n"
    length = len(header).to_bytes(2 if version == 1 else 4, "little")
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def array_file(values: np.ndarray, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, values, allow_pickle=pickled)
    return file.getvalue()


class Intruder:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch intruded",)


def idx(*shape: int, kind: int = 8, data: bytes = b"") -> bytes:
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + data


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    found = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        found.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    return b"".join(found)


def encoded(kind: str, **options: object) -> bytes:
    """A sound image of 40x40 pixels in the format `kind`."""
    file = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


_BLOCK = 2**20
_ZEROS = gzip.compress(bytes(_BLOCK), 1)
"""A member of a gzip file; a file of several is one file."""


def tar(*members: tuple[str, bytes | int, bytes]) -> bytes:
    """A gzipped tar file; a member whose content is a number has that many zeros."""
    packed_parts = []
    for name, content, kind in members:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.size = content if isinstance(content, int) else len(content)
        packed_parts.append(gzip.compress(member.tobuf(), 1))
        if isinstance(content, int):
            packed_parts.append(_ZEROS * (content // _BLOCK))
        else:
            packed_parts.append(gzip.compress(content + bytes(-len(content) % 512), 1))
    return b"".join((*packed_parts, gzip.compress(bytes(1024), 1)))


def recipe(**fields: object) -> bytes:
    return json.dumps({"checkpoint": "", "base": {"type": "seed", "seed": 1}} | fields).encode()


def _bomb(size: int) -> bytes:
    """So many zeros, deflated; compressed once, since after a full flush the same bytes mean the same again."""
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (size % 65521) << 16 | 1  # Adler-32 of zeros
    return start + block * (size // _BLOCK - 1) + packer.flush()[:-4] + struct.pack(">I", checksum)


def mat(content: bytes) -> bytes:
    """A file of MATLAB's level 5 with this behind its header."""
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + content


def mat_array(*shape: int, kind: int = 9, name: bytes = b"X", size: int = 16) -> bytes:
    """An array of bytes with this shape, `size` of them promised and 16 there."""
    body = struct.pack("<IIII", 6, 8, kind, 0)
    body += struct.pack(f"<II{len(shape)}i", 5, 4 * len(shape), *shape)
    body += struct.pack("<II", 1, len(name)) + name + bytes(-len(name) % 8)
    body += struct.pack("<II", 2, size) + bytes(16)
    return struct.pack("<II", 14, len(body)) + body


def mat_packed(content: bytes) -> bytes:
    packed_content = zlib.compress(content)
    return struct.pack("<II", 15, len(packed_content)) + packed_content


PLAIN = array_file(np.zeros((4, 3, 3), np.uint8))
OBJECTS = array_file(np.array([Intruder(), Intruder()], dtype=object), pickled=True)
JPEG, PNG, GIF, TIFF, WEBP = (encoded(kind) for kind in ("JPEG", "PNG", "GIF", "TIFF", "WEBP"))
TERABYTES = (2**40, 28, 28)

DATA_FILES: dict[str, tuple[str, Build, str]] = {
    # Arrays of NumPy
    "objects.npy": ("data", holds(OBJECTS), "Python objects, which are not loaded"),
    "objects.npz": ("data", holds(packed({"images.npy": OBJECTS})), "Python objects, which are not loaded"),
    "terabytes.npy": ("data", holds(npy(TERABYTES)), "cut short: its header promises"),
    "terabytes.npz": ("data", holds(packed({"images.npy": npy(TERABYTES)})), "cut short: its header promises"),
    "negative.npy": ("data", holds(npy((-4, -3, 3), data=bytes(36))), "negative"),
    "huge-but-empty.npy": ("data", holds(npy((2**62, 0, 3))), "impossible shape"),
    "beyond-integers.npy": ("data", holds(npy((2**70, 0))), "impossible shape"),
    "many-dimensions.npy": ("data", holds(npy((1,) * 20, data=b"x")), "impossible shape"),
    "true.npy": ("data", holds(npy((True, 3, 3), data=bytes(9))), "impossible shape|NumPy"),
    "words.npy": ("data", holds(npy(("a", 3, 3))), "not a NumPy array file"),
    "program.npy": ("data", holds(npy_header("__import__('os').system('touch intruded')")), "not a NumPy array file"),
    "nested.npy": ("data", holds(npy_header("(" * 110)), "not a NumPy array file"),
    "long-header.npy": ("data", holds(npy_header(" " * 60_000)), "not a NumPy array file"),
    "version.npy": ("data", holds(npy((4, 3, 3), version=3)), "version"),
    "structure.npy": ("data", holds(array_file(np.zeros((4, 3), [("r", "u1")]))), "not plain numbers"),
    "nothing-each.npy": ("data", holds(npy((4, 3, 3), "|S0")), "not plain numbers"),
    "not-numbers.npy": ("data", holds(array_file(np.full((4, 3, 3), np.nan))), "no image whose numbers are all finite"),
    "infinite.npy": ("data", holds(array_file(np.full((4, 3, 3), np.inf))), "no image whose numbers are all finite"),
    "cut.npy": ("data", holds(PLAIN[:-1]), "cut short"),
    "empty.npy": ("data", holds(b""), "the file empty.npy is empty"),
    "lzma.npz": ("data", holds(packed({"images.npy": PLAIN}, zipfile.ZIP_LZMA)), "a way that is not read"),
    "bzip2.npz": ("data", holds(packed({"images.npy": PLAIN}, zipfile.ZIP_BZIP2)), "a way that is not read"),
    "cut.npz": ("data", holds(packed({"images.npy": PLAIN})[:-30]), "not a zip"),
    "nothing.npz": ("data", holds(packed({})), "no images found"),
    "names.npz": ("data", holds(packed({"../../x\x1b[2J.npy": PLAIN, "y.npy": PLAIN})), "no images found"),
    "text.npz": ("data", holds(b"text"), "not a zip"),
    # IDX
    "terabytes-idx3-ubyte": ("data", holds(idx(2**32 - 1, 2**20, 2**20)), "is too large"),
    "terabytes-idx3-ubyte.gz": ("data", holds(gzip.compress(idx(2**32 - 1, 2**20))), "is too large"),
    "cut-idx3-ubyte": ("data", holds(idx(4, 3, 3, data=bytes(35))), "cut short"),
    "more-idx3-ubyte": ("data", holds(idx(4, 3, 3, data=bytes(37))), "longer than its header"),
    "empty-idx3-ubyte": ("data", holds(idx(0, 3, 3)), "shape"),
    "flat-idx1-ubyte": ("data", holds(idx(4, data=bytes(4))), "choose the images file"),
    "floats-idx3-ubyte": ("data", holds(idx(4, 3, 3, kind=13, data=bytes(144))), "is no data set"),
    "damaged-idx3-ubyte.gz": ("data", holds(gzip.compress(idx(4, 3, 3, data=bytes(36)))[:-9]), "cannot be read"),
    # CIFAR
    "pickle-that-runs": (
        "data",
        in_folder(data_batch_1=b"\x80\x02cos\nsystem\nU\x0etouch intruded\x85R."),
        "would import 'os system'",
    ),
    "pickle-by-name": ("data", in_folder(data_batch_1=b"\x80\x04\x8c\x02os\x8c\x06system\x93."), "not used by"),
    "pickle-of-opcodes": ("data", in_folder(data_batch_1=b"N" * 10**6 + b"."), "opcodes"),
    "pickle-of-marks": ("data", in_folder(data_batch_1=b"(" * 10**6 + b"."), "opcodes"),
    "pickle-that-grows": (
        "data",
        in_folder(data_batch_1=b"\x80\x02]q\x00(" + b"h\x00" * 4000 + b"e" + b"(h\x00h\x00h\x00lh\x00e" * 2000 + b"."),
        "Python batch",
    ),
    "pickle-beyond-its-end": (
        "data",
        in_folder(data_batch_1=b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x"),
        "Python batch",
    ),
    "pickle-of-digits": ("data", in_folder(data_batch_1=b"I" + b"9" * 10**6 + b"\n."), "Python batch"),
    "binary.bin": ("data", holds(bytes(3074)), "no multiple of 3073"),
    "labels.bin": ("data", holds(bytes([77]) + bytes(3072)), "label 77"),
    "bomb.tar.gz": ("data", holds(tar(("data_batch_1", 2**29, b"0"))), "no file of CIFAR-10 has more than"),
    "bomb-beside.tar.gz": (
        "data",
        holds(tar(("data_batch_1", b"", b"2"), ("other", 260 * 2**20, b"0"))),
        "holds more than",
    ),
    "long-name.tar.gz": ("data", holds(tar(("x", 2**27, b"L"))), "a name or a note of"),
    "long-note.tar.gz": ("data", holds(tar(("x", 2**27, b"x"))), "a name or a note of"),
    "crowd.tar.gz": (
        "data",
        holds(tar(("data_batch_1", b"", b"2"), *((f"f{n}", b"", b"0") for n in range(200)))),
        "more than 100 files",
    ),
    "link.tar.gz": ("data", holds(tar(("data_batch_1", b"", b"2"))), "no training images"),
    "cut.tar.gz": ("data", holds(tar(("data_batch_1", bytes(4000), b"0"))[:-20]), "not a sound tar.gz"),
    "text.tar.gz": ("data", holds(b"text"), "not a sound tar.gz"),
    "sheets": (
        "data",
        in_folder(data_batch_1__png=png(1024, 2**30, colour=2), train_lables__json=b"[]"),
        "not a sheet",
    ),
    "sheet-labels": (
        "data",
        in_folder(
            data_batch_1__png=png(1024, 1, (b"IDAT", zlib.compress(bytes(3073))), colour=2),
            train_lables__json=b"[" * 10**6,
        ),
        "not a list of labels",
    ),
    "sheet-of-labels": (
        "data",
        in_folder(
            data_batch_1__png=png(1024, 1, (b"IDAT", zlib.compress(bytes(3073))), colour=2),
            train_lables__json=b"[" + b"1," * 10**6 + b"1]",
        ),
        "a list of labels has at most",
    ),
    # MATLAB's files
    "bomb.mat": ("mat", holds(mat(mat_packed(mat_array(2**31 - 1, 2)))), "cannot reshape|Unable to allocate"),
    "terabytes.mat": ("mat", holds(mat(mat_array(2**31 - 1, 2**31 - 1))), "X is too large"),
    "gigabytes.mat": ("mat", holds(mat(mat_packed(mat_array(2**31 - 1, 1, size=2**31 - 1)))), "cannot be read: "),
    "cells.mat": ("mat", holds(mat(mat_array(1, 1, kind=1))), "not an array of numbers"),
    "cut.mat": ("mat", holds(mat(mat_array(4, 4))[:-1]), "could not read bytes"),
    "text.mat": ("mat", holds(b"MATLAB 5.0" * 20), "Unknown mat file type"),
    # What is no data
    "pipe": ("data", os.mkfifo, "neither a file nor a folder"),
    "zeros": ("data", lambda path: path.symlink_to("/dev/zero"), "neither a file nor a folder"),
    "loop": ("data", lambda path: path.symlink_to(path.name), "no data set and no file"),
    "folder": ("data", lambda path: path.mkdir(), "image"),
    "folder-of-pipes": ("data", lambda path: (path.mkdir(), os.mkfifo(path / "a.png")), "regular file"),
    "folder-of-text": ("data", in_folder(a__png=b"text"), "not an image"),
    "model.bin": ("data", holds(b"\x80\x02" + bytes(100)), "no multiple"),
    # Images
    "bomb.png": ("image", holds(png(100_000, 100_000, (b"IDAT", _bomb(2**24)))), "too large"),
    "bomb-1bit.png": ("image", holds(png(2**31 - 1, 2**31 - 1, depth=1)), "too large"),
    "bomb-below-the-limit.png": ("image", holds(png(8000, 8000, (b"IDAT", b"x"))), "damaged"),
    "bomb-of-text.png": (
        "image",
        holds(png(1, 1, (b"zTXt", b"a\0\0" + _bomb(2**28)), (b"IDAT", zlib.compress(b"\0\0")))),
        "damaged",
    ),
    "bomb-of-profile.png": (
        "image",
        holds(png(1, 1, (b"iCCP", b"a\0\0" + _bomb(2**28)), (b"IDAT", b""))),
        "damaged",
    ),
    "no-pixels.png": ("image", holds(png(0, 0)), "damaged|not an image"),
    "negative.png": ("image", holds(png(2**32 - 1, 1)), "too large|not an image|damaged"),
    "cut.png": ("image", holds(PNG[:-200]), "damaged"),
    "checksum.png": ("image", holds(PNG[:29] + b"\0\0\0\0" + PNG[33:]), "damaged|not an image"),
    "text.png": ("image", holds(b"text"), "not an image"),
    "empty.png": ("image", holds(b""), "empty"),
    "cut.jpg": ("image", holds(JPEG[: len(JPEG) // 2]), "damaged"),
    "start.jpg": ("image", holds(JPEG[:3]), "not an image"),
    "bomb.jpg": (
        "image",
        holds(JPEG.replace(b"\x00\x28\x00\x28", b"\xff\xff\xff\xff", 1)),
        "4,000,000,000 pixels in its scans",
    ),
    "cut.gif": ("image", holds(GIF[:100]), "damaged|not an image"),
    "cut.tif": ("image", holds(TIFF[:2000]), "damaged|not an image"),
    "cut.webp": ("image", holds(WEBP[:100]), "damaged|not an image"),
    "bomb.bmp": (
        "image",
        holds(b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 2**30, 2**30, 1, 24, *[0] * 6)),
        "too large",
    ),
    "bomb.ppm": ("image", holds(b"P6 99999999 99999999 255\n"), "too large"),
    "digits.ppm": ("image", holds(b"P6 " + b"9" * 10**6 + b" 1 255\n"), "its header has more than"),
    "bomb.gif": ("image", holds(b"GIF89a\xff\xff\xff\xff\x00\x00\x00"), "too large|damaged|not an image"),
    "program.eps": ("image", holds(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not an image"),
    "drawing.svg": ("image", holds(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image"),
    "pipe.png": ("image", os.mkfifo, "not a regular file"),
    "zeros.png": ("image", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "loop.png": ("image", lambda path: path.symlink_to(path.name), "symbolic links"),
    "folder.png": ("image", lambda path: path.mkdir(), "folder"),
    "huge.png": ("image", lambda path: (path.touch(), os.truncate(path, 2**40)), "too large"),
    # Recipes
    "empty.json": ("recipe", holds(b""), "not a recipe"),
    "list.json": ("recipe", holds(b"[]"), "not a recipe"),
    "nested.json": ("recipe", holds(b'{"checkpoint":"","x":' + b"[" * 10**6), "not a recipe"),
    "nested-base.json": ("recipe", holds(b'{"base":' * 10**5), "not a recipe"),
    "bytes.json": ("recipe", holds(recipe().replace(b'""', b'"\xff"')), "not a recipe"),
    "surrogate.json": ("recipe", holds(recipe().replace(b'""', b'"\\ud800"')), "not a recipe"),
    "true-seed.json": ("recipe", holds(recipe(base={"type": "seed", "seed": True})), "not a recipe"),
    "vast-seed.json": ("recipe", holds(recipe(base={"type": "seed", "seed": 10**300})), "not a recipe"),
    "digits-seed.json": ("recipe", holds(recipe().replace(b"1", b"9" * 10**6)), "not a recipe"),
    "float-seed.json": ("recipe", holds(recipe().replace(b"1", b"1e400")), "not a recipe"),
    "nan.json": ("recipe", holds(recipe(temperatures=[float("nan")])), "not a recipe"),
    "beyond-floats.json": ("recipe", holds(recipe(temperatures=[0]).replace(b"[0]", b"[1e400]")), "not a recipe"),
    "cold.json": ("recipe", holds(recipe(temperatures=[-1.0, 1.0])), "negative or not a number"),
    "crowd.json": ("recipe", holds(recipe(temperatures=[1.0] * 10**5)), "length <= 64"),
    "directions.json": ("recipe", holds(recipe(offsets=[[10**9, 1.0]])), "direction"),
    "before-directions.json": ("recipe", holds(recipe(offsets=[[-1, 1.0]])), "direction"),
    "far.json": ("recipe", holds(recipe(offsets=[[0, 1e308]])), "too far"),
    "kind.json": ("recipe", holds(recipe(base={"type": "o\ns"})), "not a recipe"),
    "no-image.json": (
        "recipe",
        holds(recipe(base={"type": "image", "shape": [8, 8, 1], "pixels": ""})),
        "0 bytes instead of 64",
    ),
    "vast-image.json": (
        "recipe",
        holds(recipe(base={"type": "image", "shape": [2**40, 2**40, 3], "pixels": ""})),
        "the open model's are",
    ),
    "negative-image.json": (
        "recipe",
        holds(recipe(base={"type": "image", "shape": [-8, -8, 1], "pixels": ""})),
        "the open model's are",
    ),
    "no-base64.json": ("recipe", holds(recipe(base={"type": "image", "shape": [1, 1, 1], "pixels": "!"})), "base64"),
    # Latents
    "objects-z.npz": (
        "latents",
        holds(packed({"z.npy": OBJECTS, "names.npy": PLAIN, "checkpoint.npy": PLAIN})),
        "Python objects",
    ),
    "terabytes-z.npz": (
        "latents",
        holds(packed({"z.npy": npy((2**36, 64), "<f4"), "names.npy": PLAIN, "checkpoint.npy": PLAIN})),
        "cut short",
    ),
    "lzma-z.npz": (
        "latents",
        holds(packed({"z.npy": PLAIN, "names.npy": PLAIN, "checkpoint.npy": PLAIN}, zipfile.ZIP_LZMA)),
        "a way that is not read",
    ),
    "no-names.npz": ("latents", holds(packed({"z.npy": PLAIN})), "no array names"),
    "flat-z.npz": (
        "latents",
        holds(packed({"z.npy": PLAIN, "names.npy": PLAIN, "checkpoint.npy": PLAIN})),
        "latents of shape",
    ),
    "pipe-z.npz": ("latents", os.mkfifo, "not a regular file"),
    "text-z.npz": ("latents", holds(b"text"), "not written by nvp-studio encode"),
}
