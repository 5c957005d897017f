"""A run's sheets through time as a film."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from nvp_studio.data.images import MAX_PIXELS, ImageError, read_sheet
from nvp_studio.files import read_regular, write_whole
from nvp_studio.runs.snapshots import Snapshot, snapshots
from nvp_studio.training.errors import RunError
from nvp_studio.training.events import SheetKind
from nvp_studio.training.runs import MAX_SHEET_BYTES

FILM_SUFFIXES = (".gif", ".webp")

_MAX_FRAMES = 600
_SIDE_PIXELS = 448
"""A sheet is enlarged by the largest whole factor that keeps its longer side within this."""
_BAR = 4
_BAR_COLOUR = (42, 99, 200)
_BACKGROUND = (230, 232, 236)
_LAST_SECONDS = 1.5
"""How long the last frame is shown."""


def thinned(shots: Sequence[Snapshot], most: int = _MAX_FRAMES) -> list[Snapshot]:
    """At most `most` snapshots evenly spread, first and last among them."""
    if len(shots) <= most:
        return list(shots)
    return [shots[round(place)] for place in np.linspace(0, len(shots) - 1, most)]


def write_film(folder: Path, path: Path, kind: SheetKind = "samples", frames_per_second: float = 6.0) -> int:
    """Write the sheets of the run in `folder` as an animated GIF or WebP; returns the number of frames.

    A bar at the lower edge shows how far the run is. Raises `RunError` for a run without such sheets and for another
    suffix.
    """
    form = path.suffix.lower()
    if form not in FILM_SUFFIXES:
        raise RunError(f"a film is a .gif or .webp file, not {path.name}")
    shots = thinned([shot for shot in snapshots(folder) if shot.path(kind) is not None])
    if not shots:
        raise RunError(f"{folder.name} has no {kind} yet; they come with its validations")
    last = shots[-1].step or 1
    frames: list[Image.Image] = []
    for shot in shots:
        frame = _frame(shot.path(kind), shot.step / last)
        if frame is not None and (not frames or frame.size == frames[0].size):
            frames.append(frame)
    if not frames:
        raise RunError(f"no sheet of {folder.name} can be read")
    file = io.BytesIO()
    durations = [round(1000 / frames_per_second)] * (len(frames) - 1) + [round(1000 * _LAST_SECONDS)]
    rest = {"append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(file, form.removeprefix("."), save_all=True, lossless=True, **rest)  # GIF always is
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, file.getvalue(), devices=True)
    return len(frames)


def _frame(path: Path | None, progress: float) -> Image.Image | None:
    """A sheet enlarged by a whole factor, above a bar filled to `progress`; None when it cannot be read."""
    if path is None:
        return None
    try:
        pixels = read_sheet(read_regular(path, MAX_SHEET_BYTES), MAX_PIXELS)
    except (OSError, ImageError):
        return None
    sheet = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
    factor = max(1, _SIDE_PIXELS // max(sheet.size))
    large = sheet.resize((sheet.width * factor, sheet.height * factor), Image.Resampling.NEAREST)
    frame = Image.new("RGB", (large.width, large.height + _BAR), _BACKGROUND)
    frame.paste(large)
    full = max(1, round(progress * large.width))
    ImageDraw.Draw(frame).rectangle((0, large.height, full - 1, large.height + _BAR - 1), fill=_BAR_COLOUR)
    return frame
