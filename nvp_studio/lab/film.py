"""Frames as an animation: GIF, WebP, or MP4 by the program ffmpeg."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image

from nvp_studio.files import stream_whole
from nvp_studio.text import one_line
from nvp_studio.training.errors import RunError

Frame = npt.NDArray[np.uint8]
SUFFIXES = (".gif", ".webp", ".mp4")
_LAST_SECONDS = 1.5
"""How long the last frame is shown."""
_TOLD = 100_000


def film_suffixes() -> tuple[str, ...]:
    """The kinds of files that can be written on this machine."""
    return SUFFIXES if shutil.which("ffmpeg") else SUFFIXES[:-1]


def write_film(path: Path, frames: Iterator[Frame], frames_per_second: int) -> int:
    """Write frames (H, W, 3) of even sides in the format that the suffix of `path` names; returns their number.

    Raises `RunError` for another suffix, for no frames, and where ffmpeg is missing or fails; and `OSError`.
    """
    form = path.suffix.lower()
    if form not in SUFFIXES:
        raise RunError(f"an animation is a .gif, .webp or .mp4 file, not {path.name}")
    if form not in film_suffixes():
        raise RunError("an .mp4 file is made by the program ffmpeg, which was not found: install it, or choose .gif")
    images = [PIL.Image.fromarray(frame) for frame in frames]
    if not images:
        raise RunError("there is nothing to animate yet")
    if form == ".mp4":
        _write_mp4(path, images, frames_per_second)
        return len(images)
    if form == ".gif":
        images = [image.quantize(256, dither=PIL.Image.Dither.NONE) for image in images]
    durations = [round(1000 / frames_per_second)] * (len(images) - 1) + [round(1000 * _LAST_SECONDS)]
    content = io.BytesIO()
    options = {"append_images": images[1:], "duration": durations, "loop": 0}
    images[0].save(content, form.removeprefix("."), save_all=True, quality=80, **options)
    with stream_whole(path, devices=True) as file:
        file.write(content.getvalue())
    return len(images)


def _write_mp4(path: Path, images: Sequence[PIL.Image.Image], frames_per_second: int) -> None:
    width, height = images[0].size
    with stream_whole(path) as file, tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as raw:
        for image in images:
            raw.write(image.tobytes())
        raw.seek(0)
        command = [
            *("ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-s", f"{width}x{height}", "-r", str(frames_per_second), "-i", "-", "-an", "-pix_fmt", "yuv420p"),
            *("-q:v", "2", "-movflags", "+faststart", "-f", "mp4", file.name),
        ]
        code = subprocess.run(command, stdin=raw, stdout=subprocess.DEVNULL, stderr=told, check=False).returncode
        if code:
            told.seek(0)
            lines = told.read(_TOLD).decode("utf-8", "replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), f"it ended with {code}")
            raise RunError(f"ffmpeg cannot write {path.name}: {one_line(reason)}")
