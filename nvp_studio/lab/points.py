"""Points of a person: checked, read from a CSV file, or from the dark pixels of a picture; float64 (N, 2)."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nvp_studio.lab.settings import MAX_POINTS
from nvp_studio.text import counted

Floats = npt.NDArray[np.float64]
LEAST_POINTS = 2
MAX_VALUE = 1e6
"""Coordinates beyond it would leave no digits for what float32 computes."""
HALF_WIDTH = 2.0
"""Points of a file are moved and scaled, both coordinates alike, to lie within this distance of zero."""
_MAX_CSV = 200 * 2**20
_REPORT_LINES = 10_000


class PointsError(ValueError):
    """The points cannot be used; its text says why, in plain words."""


def usable(points: Floats, chance: np.random.Generator) -> tuple[Floats, str]:
    """The points that an experiment takes, and a note on what was left out ("" where nothing was).

    Raises `PointsError` for too few, for points that are all one, and for points on a line parallel to an axis.
    """
    notes = []
    finite = _usable_numbers(points)
    if not finite.all():
        notes.append(f"left out {np.count_nonzero(~finite):,} of {len(points):,} points, which lie at infinity or "
                     f"beyond {MAX_VALUE:,.0f}")  # fmt: skip
        points = points[finite]
    if len(points) > MAX_POINTS:
        notes.append(f"took {MAX_POINTS:,} of {len(points):,} points, chosen by chance")
        points = points[np.sort(chance.choice(len(points), MAX_POINTS, replace=False))]
    if len(points) < LEAST_POINTS:
        word = "there is no point" if not len(points) else "there is one point alone"
        raise PointsError("; ".join((*notes, f"{word}; a density needs at least {LEAST_POINTS} different points")))
    spread = np.ptp(points, 0)
    if not spread.any():
        raise PointsError(f"all {len(points):,} points are at one place; a density needs points that differ")
    if not spread.all():
        raise PointsError(
            "all points lie on one line parallel to an axis; a density of the plane needs both directions"
        )
    return points, "; ".join(notes)


def centred(points: Floats) -> Floats:
    """The points moved and scaled, both coordinates alike, into the square that is shown; inf for unusable ones."""
    finite = _usable_numbers(points)
    if not finite.any():
        return points
    low, high = points[finite].min(0), points[finite].max(0)
    half = float((high - low).max()) / 2
    moved = np.full_like(points, np.inf)
    moved[finite] = (points[finite] - (low + high) / 2) * (HALF_WIDTH / half if half else 1.0)
    return moved


def content_of(path: Path) -> bytes:
    """The content of a text file, of one that is too large its beginning; raises `PointsError` and `OSError`."""
    if not path.is_file():
        raise PointsError(f"there is no file {path.name}")
    with path.open("rb") as file:
        return file.read(_MAX_CSV + 1)


def read_csv(content: bytes, report: Callable[[int, int], None] = lambda done, total: None) -> tuple[Floats, str]:
    """The first two columns of a CSV file that hold numbers, and a note on lines that were passed over.

    Columns are separated by commas, semicolons, tabs or spaces. A first line of words is a heading. Now and then
    `report` is told how many lines of how many were read. Raises `PointsError` where no two columns hold numbers.
    """
    if len(content) > _MAX_CSV:
        raise PointsError(f"the file is larger than {_MAX_CSV // 2**20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PointsError("this is no text file") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise PointsError("the file is empty")
    separator = next((mark for mark in (";", "\t", ",") if mark in lines[-1]), " ")
    decimal_comma = separator in ";\t" and "," in lines[-1]
    values: list[tuple[float, float]] = []
    passed = 0
    try:
        reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, skipinitialspace=True)
        for read, row in enumerate(reader):
            if read % _REPORT_LINES == 0:
                report(read, len(lines))
            numbers = [number for cell in row if (number := _number(cell, decimal_comma)) is not None][:2]
            if len(numbers) == 2:
                values.append((numbers[0], numbers[1]))
            else:
                passed += 1
    except csv.Error as error:
        raise PointsError(f"this is no CSV file: {error}") from error
    if not values:
        raise PointsError("no line of the file holds two numbers; it needs two columns, x and y")
    passed -= 1 if passed and _number(lines[0].split(separator)[0], decimal_comma) is None else 0  # its heading
    note = f"passed over {counted(passed, 'line')} without two numbers" if passed > 0 else ""
    return np.array(values, np.float64), note


def _number(cell: str, decimal_comma: bool) -> float | None:
    try:
        return float(cell.replace(",", ".") if decimal_comma else cell)
    except ValueError:
        return None


def from_picture(pixels: npt.NDArray[np.uint8], chance: np.random.Generator, count: int = 20_000) -> Floats:
    """`count` points in the dark pixels of a picture (H, W, C), the darker the more, each anywhere within its pixel.

    Raises `PointsError` for a picture that is white.
    """
    grey = pixels.astype(np.float64).mean(2)
    dark = np.clip((128 - grey) / 128, 0, 1) if (grey < 128).any() else np.zeros_like(grey)
    total = dark.sum()
    if not total:
        raise PointsError("the picture has no dark pixel: none is below half of the brightness")
    height, width = dark.shape
    index = chance.choice(dark.size, count, p=(dark / total).ravel())
    x = index % width + chance.random(count)
    y = height - (index // width + chance.random(count))
    half = max(height, width) / 2
    return np.stack(((x - width / 2) / half, (y - height / 2) / half), 1) * HALF_WIDTH


def _usable_numbers(points: Floats) -> npt.NDArray[np.bool_]:
    """Which of points (N, 2) are finite and not too large: (N,)."""
    return np.asarray(np.isfinite(points).all(1) & (np.abs(points) <= MAX_VALUE).all(1))
