"""Reading any image file a person drops, carefully, and finding image files in folders."""

import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from nvp_studio.data.counts import CountError, check_counts, is_tga
from nvp_studio.data.dataset import Images
from nvp_studio.data.fitting import fit
from nvp_studio.data.modes import (
    UnsupportedPixelsError,
    facts_of_image,
    low_bytes,
    natural_channels,
    stored_as,
    to_uint8,
)
from nvp_studio.data.reading import UNDECIDED, Reading, ValueFacts
from nvp_studio.data.tiff_kinds import why_unknown
from nvp_studio.files import open_regular
from nvp_studio.text import one_line

EXTENSIONS = frozenset(
    {".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"}
    | {".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"}
)
# Formats that a decoder in this process reads; EPS, for one, would start another program.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "DIB")
_WITHOUT_MARK = ("TGA",)
"""Formats that any file may be taken for, and are tried only on files with a sound header."""
MAX_PIXELS = 64 * 2**20
MAX_FILE_BYTES = 512 * 2**20
MAX_TEXT_CHARACTERS = 2**20
_ORIENTATION = 0x0112  # the EXIF tag
_DESCRIPTION = 0x010E  # the EXIF tag

warnings.filterwarnings("ignore", module="PIL")  # of odd metadata, and of sizes, which are checked here


class ImageError(ValueError):
    """An image file that cannot be read; the message is a one-line reason without the path."""


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image and how it came to be.

    `pixels` is uint8 `(H, W, C)` with C 1 or 3. `notes` names every conversion. `size` is the (width, height) of the
    image in the file, upright. `text` holds the text chunks of a PNG, where recipes travel, and
    the comment of a GIF or the description of a WebP file by these names.
    """

    pixels: Images
    notes: tuple[str, ...]
    size: tuple[int, int]
    text: dict[str, str]


def read_image(
    source: str | os.PathLike[str] | bytes,
    image_shape: tuple[int, int, int] | None = None,
    reading: Reading = UNDECIDED,
    page: int | None = None,
) -> ReadImage:
    """Read the image file at the path `source`, or with this content, and bring it to `image_shape` (C, H, W) if given.

    The image is turned upright by its EXIF tag, laid over white where it is transparent, and brought to 8 bits by the
    ranges of `reading`; numbers of a kind that it does not name are judged by this image alone. To fit `image_shape` it
    is cropped around its centre and resized by area; one that fits keeps its very pixels. Of several pages or frames
    the first is read, with a note, or that with the number `page`. Raises `ImageError` for whatever cannot be read: not
    a regular file, not an image, damaged, or over `MAX_PIXELS`.
    """
    with _opened(source) as image:
        return _read(image, image_shape, reading, page)


def read_sheet(content: bytes, most_pixels: int) -> Images:
    """Read a PNG of at most so many pixels as `(H, W, C)`, which takes little; raises `ImageError`.

    For the window's process, which decodes nothing else.
    """
    with _opened(content, ("PNG",), most_pixels) as image:
        return _read(image, None, UNDECIDED).pixels


def read_facts(source: str | os.PathLike[str] | bytes, page: int | None = None) -> ValueFacts | None:
    """The facts of an image's numbers, None where these are no levels; raises `ImageError`."""
    with _opened(source) as image:
        _turn_to(image, page)
        stored = stored_as(image)
        low = low_bytes(image, stored, page or 0)
        image.load()
        return facts_of_image(image, stored, low)


def _read(
    image: Image.Image, image_shape: tuple[int, int, int] | None, reading: Reading, page: int | None = None
) -> ReadImage:
    """The pixels of an image that is open."""
    notes = ["first frame"] if page is None and getattr(image, "is_animated", False) else []
    _turn_to(image, page)
    stored = stored_as(image)
    low = low_bytes(image, stored, page or 0)
    turned = _orientation(image) in range(2, 9)
    image.load()
    text = _text(image)
    if turned:
        low = low and ImageOps.exif_transpose(low)
        image = ImageOps.exif_transpose(image)
    pixels, conversions = to_uint8(image, stored, reading, low)
    notes += ["rotated by its EXIF tag"] if turned else []
    notes += conversions
    size = (pixels.shape[1], pixels.shape[0])
    if image_shape is not None:
        pixels, fitting = fit(pixels, image_shape, reading)
        notes += fitting
    return ReadImage(pixels, tuple(notes), size, text)


def _turn_to(image: Image.Image, page: int | None) -> None:
    """Make a page the one that is loaded; the first is asked for as well, as counting frames has moved on."""
    image.seek(page or 0)
    if page is not None:
        _check_pixels(image, MAX_PIXELS)


def image_header(source: str | os.PathLike[str] | bytes) -> tuple[int, int, int]:
    """Return the shape (C, H, W) that `read_image` would give, from the header alone; raises `ImageError`."""
    return read_header(source)[0]


def read_header(source: str | os.PathLike[str] | bytes) -> tuple[tuple[int, int, int], str, int]:
    """Return the shape as `image_header`, the kind of the numbers, and the number of pages.

    The kind is empty for images whose numbers are no levels. More pages than one are told of a TIFF file whose pages
    have one size and kind.
    """
    with _opened(source) as image:
        form = stored_as(image)  # before a PNG is decoded, to tell how it lies
        width, height = image.size
        if image.format == "TIFF":  # newer versions of Pillow give its size upright, older ones as it is stored
            stored = getattr(image, "tag_v2", {})
            width, height = stored.get(256, width), stored.get(257, height)
        # Squares stay squares.
        if width != height and _orientation(image) in range(5, 9):
            width, height = height, width
        return (natural_channels(image.mode, form.rawmode), height, width), form.kind, _pages(image)


def _pages(image: Image.Image) -> int:
    """The number of pages of a TIFF file if they are alike, 1 for all other files."""
    count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    first = (image.size, image.mode)
    for page in range(1, count):
        image.seek(page)
        if (image.size, image.mode) != first:
            return 1
    return int(count)


def find_images(
    paths: Iterable[str | os.PathLike[str]], on_other: Callable[[Path], None] | None = None
) -> Iterator[Path]:
    """Yield the image files among `paths` and, sorted by name, in the folders among them and below.

    A path that is not a folder is always yielded, so that a reader can say what is wrong with it; so is a folder that
    cannot be listed. In folders, files count by their extension, and hidden ones do not. No folder is entered twice,
    whatever links there are. Memory does not grow with the number of files, except for one folder's names. `on_other`
    is called with the files in folders that are neither hidden nor images.
    """
    for path in map(Path, paths):
        if os.path.isdir(path):
            yield from _images_below(path, on_other)
        else:
            yield path


def _images_below(folder: Path, on_other: Callable[[Path], None] | None) -> Iterator[Path]:
    entered: set[tuple[int, int]] = set()
    pending = [iter([folder])]  # a stack instead of recursion: folders may be nested deeper than calls
    while pending:
        path = next(pending[-1], None)
        if path is None:
            pending.pop()
        elif not os.path.isdir(path):
            yield path
        else:
            try:
                status = path.stat()
                if (status.st_dev, status.st_ino) in entered:
                    continue
                entered.add((status.st_dev, status.st_ino))
                pending.append(iter(_listed(path, on_other)))
            except OSError:
                yield path


def _listed(folder: Path, on_other: Callable[[Path], None] | None) -> list[Path]:
    """Return the sorted sub-folders and image files of `folder`, hidden ones left out."""
    names: list[str] = []
    others: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            read = os.path.splitext(entry.name)[1].lower() in EXTENSIONS or os.path.isdir(entry)
            (names if read else others).append(entry.name)
    if on_other is not None:
        for name in sorted(others):
            on_other(folder / name)
    return [folder / name for name in sorted(names)]


@contextmanager
def _opened(
    source: str | os.PathLike[str] | bytes, formats: tuple[str, ...] = FORMATS, most_pixels: int | None = None
) -> Iterator[Image.Image]:
    """Open an image file, header only; whatever goes wrong, here or in the body, becomes an `ImageError`."""
    try:
        if source == b"":
            raise ImageError("the file is empty")
        with io.BytesIO(source) if isinstance(source, bytes) else _open_file(source) as file:
            check_counts(file)
            tried = _WITHOUT_MARK if formats == FORMATS and is_tga(file) else formats
            with _opened_by_pillow(file, tried) as image:
                _check_pixels(image, MAX_PIXELS if most_pixels is None else most_pixels)
                yield image
    except ImageError:
        raise
    except Exception as error:  # Pillow's readers raise some ten classes over damaged files
        raise ImageError(_reason(error)) from error


def _opened_by_pillow(file: BinaryIO, formats: tuple[str, ...]) -> Image.Image:
    try:
        return Image.open(file, formats=formats)
    except UnidentifiedImageError:
        if why := why_unknown(file):
            raise ImageError(why) from None
        raise


def _check_pixels(image: Image.Image, most: int) -> None:
    width, height = image.size
    if width * height > most:
        raise ImageError(f"too large: {width}x{height} pixels; at most {most:,} pixels are read")


def _open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open the regular file at `path`; nothing here waits for a pipe or wakes a device."""
    try:
        file = open_regular(path)
    except IsADirectoryError:
        os.scandir(path).close()  # raises the reason, if the folder cannot be listed
        raise
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= MAX_FILE_BYTES:
        return file
    file.close()
    raise ImageError(f"too large: {size:,} bytes; at most {MAX_FILE_BYTES:,} are read" if size else "the file is empty")


def _reason(error: Exception) -> str:
    """Say in one line, without the path, why reading failed."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image of a known format (PNG, JPEG, WebP, GIF, BMP, TIFF, PNM, TGA, JPEG 2000, AVIF)"
    if isinstance(error, Image.DecompressionBombError):
        return f"too large: at most {MAX_PIXELS:,} pixels are read"
    if isinstance(error, MemoryError):
        return "too large for the free memory"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnsupportedPixelsError | CountError):
        return str(error)
    return f"damaged or not supported: {one_line(error, 200)}".removesuffix(": ")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 where it is missing or unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged metadata is no reason to refuse sound pixels
        return 1
    return value if isinstance(value, int) else 1


def _text(image: Image.Image) -> dict[str, str]:
    """Return the texts in a loaded file up to `MAX_TEXT_CHARACTERS` in all, each whole or not at all."""
    chunks: Mapping[Any, Any] = {}
    if image.format == "PNG":  # Pillow would decode all frames of an animation to reach texts behind them
        chunks = image.info if getattr(image, "is_animated", False) else getattr(image, "text", {})
    elif image.format == "GIF":
        comment = image.info.get("comment")
        chunks = {"comment": comment.decode("utf-8", "replace") if isinstance(comment, bytes) else comment}
    elif image.format == "WEBP":
        try:
            chunks = {"description": image.getexif().get(_DESCRIPTION)}
        except Exception:  # damaged metadata is no reason to refuse sound pixels
            return {}
    text: dict[str, str] = {}
    room = MAX_TEXT_CHARACTERS
    for key, value in chunks.items():
        if not isinstance(key, str) or not isinstance(value, str) or len(key) + len(value) > room:
            continue
        room -= len(key) + len(value)
        text[key] = str(value)
    return text
