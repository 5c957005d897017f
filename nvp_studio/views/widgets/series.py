"""Runs as series of a plot, each with a colour for both themes."""

from dataclasses import dataclass

from nvp_studio.runs.history import RunHistory
from nvp_studio.views.theme import colors

_COLOURS = {
    "light": ("#2a63c8", "#c2571a", "#1a7f4b", "#8a3fb0", "#b01f5a", "#00808f", "#7a6200", "#555f70"),
    "dark": ("#6ea2f7", "#f0985a", "#57c48a", "#c48be6", "#f07aa8", "#4cc4d4", "#d8bd4a", "#a9b2c2"),
}
MAX_SERIES = len(_COLOURS["light"])
"""More curves than this in one plot cannot be told apart."""


@dataclass(frozen=True)
class Series:
    """One run to be drawn; `key` identifies it (its folder)."""

    key: str
    name: str
    history: RunHistory
    colour: int


def series_colour(number: int) -> str:
    """The colour of a series in the theme in force."""
    palette = _COLOURS[colors().name]
    return palette[number % len(palette)]
