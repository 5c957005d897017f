"""Animations as files: GIF, animated WebP, animated PNG, and MP4 by the program ffmpeg; and read again."""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL.PngImagePlugin import PngInfo

from nvp_studio import __version__
from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.decoding import decoders
from nvp_studio.data.images import ImageError
from nvp_studio.explore.animating import BATCH, drawing_frames
from nvp_studio.explore.animation import ANIMATION_KEY, MOST_BYTES, Animation, find_ffmpeg
from nvp_studio.explore.model import OpenedModel
from nvp_studio.files import read_regular, stream_whole
from nvp_studio.recipe import PNG_KEY
from nvp_studio.text import one_line

Pixels = npt.NDArray[np.uint8]
Report = Callable[[int, int], None]
"""Told (steps done, steps in all)."""

SUFFIXES = (".gif", ".webp", ".png", ".apng", ".mp4")
"""Of files that an animation is written to."""
MOST_SIDE = 4096
"""Of a frame, in pixels."""
_MOST_PIXELS = {".gif": 2**28, ".png": 2**28, ".apng": 2**28, ".webp": 2**31, ".mp4": 2**33}
"""Of all frames together: some formats are written when all frames are in memory."""
_GIF_PER_SECOND = 50
"""Programs show frames of a GIF that are closer than 2 hundredths of a second far slower."""
_MOST_WORDS = 100_000
"""Bytes of a description that is given to ffmpeg in its command line."""


def no_report(done: int, total: int) -> None:
    """Take note of nothing."""


def check_file(path: str | os.PathLike[str], animation: Animation, size: tuple[int, int]) -> None:
    """Raise `ValueError` with a one-line reason when no such file can be made; `size` is (width, height) of a frame."""
    form = Path(path).suffix.lower()
    if form not in SUFFIXES:
        raise ValueError(f"an animation is written to a file that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if form == ".mp4" and find_ffmpeg() is None:
        raise ValueError(
            "an .mp4 file is made by the program ffmpeg, which was not found: install it, or choose .gif, .webp or .png"
        )
    if form == ".gif" and animation.frames_per_second > _GIF_PER_SECOND:
        raise ValueError(f"a .gif file shows at most {_GIF_PER_SECOND} frames a second: choose fewer, or .webp or .png")
    if max(size) > MOST_SIDE:
        raise ValueError(f"frames of {size[0]} x {size[1]} pixels are too large; the most is {MOST_SIDE:,}")
    pixels = animation.frames * size[0] * size[1]
    if pixels > _MOST_PIXELS[form]:
        other = "" if form in (".webp", ".mp4") else ", or .webp"
        raise ValueError(
            f"{animation.frames:,} frames of {size[0]} x {size[1]} pixels are too many for a {form} file: "
            f"choose a smaller scale or fewer frames{other}"
        )


def write_animation(
    path: str | os.PathLike[str],
    model: OpenedModel,
    animation: Animation,
    pixel_size: int = 1,
    report: Report = no_report,
    batch: int = BATCH,
) -> None:
    """Decode an animation by the compiled model and write it in the format that the suffix of `path` names.

    Each pixel becomes a square of `pixel_size` pixels. The file appears when it is whole; it repeats without end and
    holds the animation itself, which `read_animation` gets back (from .mp4 not). WebP and PNG files hold the very
    pixels, and so do GIF files of grey pictures; those of coloured ones have at most 256 colours a frame. `report` is
    told how far it is after each `batch` of frames, and may raise to stop. Raises `ValueError` where the file cannot
    be made, and `OSError`.
    """
    path = Path(path)
    height, width, channels = model.pixel_shape
    if pixel_size < 1:
        raise ValueError(f"a scale of {pixel_size} is not possible")
    size = (width * pixel_size, height * pixel_size)
    check_file(path, animation, size)
    model.flow.compile()
    drawn = drawing_frames(model, animation, batch=batch)
    if path.suffix.lower() == ".mp4":
        frames = _enlarged(drawn, pixel_size, animation.frames, report)
        _write_mp4(path, frames, animation, size, channels)
        return
    images = np.empty((animation.frames, height, width, channels), np.uint8)
    for start, pictures in drawn:
        images[start : start + len(pictures)] = pictures
        report(start + len(pictures), 2 * animation.frames)
    form = path.suffix.lower()
    film = _Film(images, pixel_size, report, few_colours=form == ".gif")
    with stream_whole(path, devices=True) as file:
        _write_film(file, film, form, animation)


def _enlarged(drawn: Iterator[tuple[int, Pixels]], pixel_size: int, frames: int, report: Report) -> Iterator[bytes]:
    for start, pictures in drawn:
        yield pictures.repeat(pixel_size, 1).repeat(pixel_size, 2).tobytes()
        report(start + len(pictures), frames)


class _Film(PIL.Image.Image):
    """Frames as one image of several frames, which Pillow reads one after the other: enlarged they need much memory."""

    def __init__(self, images: Pixels, pixel_size: int, report: Report, *, few_colours: bool) -> None:
        super().__init__()
        self._images, self._pixel_size, self._report, self._few_colours = images, pixel_size, report, few_colours
        self.n_frames = len(images)
        self.is_animated = True
        self._place = -1
        self._told = 0
        self.seek(0)

    def tell(self) -> int:
        return self._place

    def seek(self, frame: int) -> None:
        if frame >= self.n_frames:
            raise EOFError
        if frame == self._place:
            return
        pixels = self._images[frame]
        image = PIL.Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        if self._few_colours and image.mode == "RGB":
            image = image.quantize(256, dither=PIL.Image.Dither.NONE)
        size = (image.width * self._pixel_size, image.height * self._pixel_size)
        large = image.resize(size, PIL.Image.Resampling.NEAREST)
        self.im, self.palette, self._mode, self._size = large.im, large.palette, large.mode, large.size
        self._place = frame
        if frame > self._told:  # PNG is gone through twice
            self._told = frame
            self._report(self.n_frames + frame + 1, 2 * self.n_frames)


def _write_film(file: BinaryIO, film: _Film, form: str, animation: Animation) -> None:
    text = animation.to_json()
    unit = 100 if form == ".gif" else 1000  # a GIF counts hundredths of a second
    ends = [round(unit * (frame + 1) / animation.frames_per_second) for frame in range(film.n_frames)]
    durations = [1000 // unit * (end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
    if form == ".gif":
        film.save(file, "GIF", save_all=True, duration=durations, loop=0, optimize=False, comment=text.encode())
    elif form == ".webp":
        exif = PIL.Image.Exif()
        exif[0x010E] = json.dumps(json.loads(text))  # ASCII, as EXIF's descriptions are
        film.save(file, "WEBP", save_all=True, duration=durations, loop=0, lossless=True, quality=50, exif=exif)
    else:
        info = PngInfo()
        info.add_itxt(ANIMATION_KEY, text)
        info.add_itxt(PNG_KEY, animation.keyframes[0].to_json())
        info.add_itxt("Software", f"NVP Studio {__version__}")
        film.save(file, "PNG", save_all=True, duration=durations, loop=0, pnginfo=info)


def _write_mp4(path: Path, frames: Iterator[bytes], animation: Animation, size: tuple[int, int], channels: int) -> None:
    program = find_ffmpeg()
    assert program is not None
    text = animation.to_json()
    described = ["-metadata", f"comment={text}"] if len(text.encode()) <= _MOST_WORDS else []
    with stream_whole(path) as file, tempfile.TemporaryFile() as told:
        command = [
            *(program, "-hide_banner", "-loglevel", "error", "-y"),
            *("-f", "rawvideo", "-pix_fmt", "gray" if channels == 1 else "rgb24", "-s", f"{size[0]}x{size[1]}"),
            *("-r", f"{animation.frames_per_second:.6g}", "-i", "-", "-an"),
            *("-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-pix_fmt", "yuv420p", "-q:v", "2"),  # its sides must be even
            *("-movflags", "+faststart", *described, "-f", "mp4", file.name),
        ]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told)
        try:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin:
                for frame in frames:
                    process.stdin.write(frame)
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        if code != 0:
            told.seek(0)
            lines = told.read(100_000).decode("utf-8", "replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), f"it ended with {code}")
            raise ValueError(f"ffmpeg cannot write {path.name}: {one_line(reason)}")


def read_animation(path: str | os.PathLike[str]) -> Animation:
    """Read an animation from its .json file, or from a GIF, WebP or PNG file that it was written to.

    Raises `ValueError` with a one-line reason where there is none, and `OSError`.
    """
    steps = reading_animation(path)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            animation: Animation = end.value
            return animation


def reading_animation(path: str | os.PathLike[str]) -> Generator[None, None, Animation]:
    """As `read_animation`, but yields None some fifty times a second until an image file is decoded."""
    path = Path(path)
    if path.suffix.lower() == ".json":
        return Animation.from_json(read_regular(path, MOST_BYTES))
    with Archives() as archives:
        source = archives.source(path)
    if isinstance(source, ImageError):
        raise source
    image = yield from decoders().read_one(source, (1, 1, 1))  # for its texts alone
    for key in (ANIMATION_KEY, "comment", "description"):
        if image.text.get(key, "").lstrip().startswith("{"):
            return Animation.from_json(image.text[key])
    raise ValueError(f"{path.name} holds no animation")
