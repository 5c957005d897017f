"""What the picture on Explore is, and what was moved along which directions, in words."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePath

from PySide6.QtCore import QCoreApplication

from nvp_studio.recipe import MADE, Base, Blend, Corners, Image, Move, Recipe, Seed
from nvp_studio.state.directions import move_title
from nvp_studio.state.mixture import base_title
from nvp_studio.text import figure
from nvp_studio.views.widgets.latent_panel import scale_name

_LARGE = 1e6
"""An offset as large, which a recipe from a file may have, is written with an exponent."""
_NAMED = 2
"""How many directions are named, those that moved farthest."""
_tr = partial(QCoreApplication.translate, "PictureText")


def base_text(base: Base) -> str:
    """What a picture is made from, with a capital letter, but for the name of a file."""
    match base:
        case Seed(seed=seed):
            return _tr("Sample {0}").format(seed)
        case Image(name=name):
            return name if PurePath(name).suffix and not name.startswith(MADE) else _with_capital(name)
        case Blend(a=a, b=b, share=share):
            text = _tr("{0} % of the way from {1} to {2}")
            return text.format(f"{100 * share:.0f}", base_title(a), base_title(b))
        case Corners(z=corners, phi=phi, phi_prime=phi_prime):
            text = _tr("{0} % right, {1} % down between {2}")
            names = ", ".join(base_title(corner) for corner in corners)
            return text.format(f"{100 * phi_prime:.0f}", f"{100 * phi:.0f}", names)


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def changed_text(recipe: Recipe, scales: int) -> str:
    """Which scales are those of other pictures, and how much of the latent is kept, where it is not all."""
    parts = [
        _tr("{0} of {1}").format(scale_name(scale, scales).lower(), base_title(base)) for scale, base in recipe.scales
    ]
    if recipe.kept is not None:
        parts.append(_tr("{0} % of the latent kept").format(f"{100 * recipe.kept.share:g}"))
    if recipe.enlarged > 1:
        parts.append(
            _tr("{0} times as large as trained: parts and textures, no whole pictures").format(recipe.enlarged)
        )
    return _with_capital(", ".join(parts))


def moved_text(moved: Mapping[int, float], names: Sequence[str], moves: Sequence[Move] = ()) -> str:
    """The directions that moved farthest and how far, such as "Moved glasses by +1.80, direction 7 by −1.50 and 9
    more"; `moves` are those along other directions than the model's.
    """
    titles = [
        (names[one] or _tr("direction {0}").format(one + 1), offset)
        for one, offset in moved.items()
        if 0 <= one < len(names)
    ]
    titles += [(move_title(move), move.offset) for move in moves if move.offset]
    if not titles:
        return ""
    farthest = sorted(titles, key=lambda title: -abs(title[1]))[:_NAMED]
    parts = [
        _tr("{0} by {1}").format(name, figure(offset, "+.2f" if abs(offset) < _LARGE else "+.2g"))
        for name, offset in farthest
    ]
    rest = len(titles) - len(parts)
    text = _tr("Moved {0}").format(", ".join(parts))
    return text + (_tr(" and {0} more").format(rest) if rest else "")


def count_text(moved: int, by_scale: Sequence[float], at_ends: Sequence[str] = ()) -> str:
    """How many directions moved, and how many of them to the end of their sliders, or else the scale that most of it
    lies in, such as "12 moved, most in Coarse".
    """
    if not moved:
        return ""
    text = _tr("{0} moved").format(moved)
    if at_ends:
        return (
            text + ", " + (_tr("1 at its end") if len(at_ends) == 1 else _tr("{0} at their ends")).format(len(at_ends))
        )
    if len(by_scale) < 2:
        return text
    most = max(range(len(by_scale)), key=lambda scale: by_scale[scale])
    return _tr("{0}, most in {1}").format(text, scale_name(most, len(by_scale)))


def ends_text(at_ends: Sequence[str]) -> str:
    """Which directions were moved to the end of their sliders, in a sentence; empty without one."""
    if not at_ends:
        return ""
    names = ", ".join(at_ends[:_NAMED])
    rest = len(at_ends) - _NAMED
    names += _tr(" and {0} more").format(rest) if rest > 0 else ""
    return _tr("At the end: {0}; nearly no training image is as far out").format(names)


def scales_text(by_scale: Sequence[float], at_ends: Sequence[str] = ()) -> str:
    """What `ends_text` says, and how the move is distributed over the scales, where there are several."""
    lines = [ends_text(at_ends)]
    if len(by_scale) > 1:
        parts = [
            f"{scale_name(scale, len(by_scale)).lower()} {100 * fraction:.0f} %"
            for scale, fraction in enumerate(by_scale)
        ]
        lines.append(_tr("Where the latents moved, by squared length: {0}.").format(", ".join(parts)))
    return "\n".join(line for line in lines if line)
