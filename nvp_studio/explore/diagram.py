"""The architecture of a flow as an SVG drawing: a column for each scale, a box for each layer."""

from html import escape
from typing import NamedTuple

from nvp_studio.explore.inspected import InspectedStage

_BOX_WIDTH, _BOX_HEIGHT = 380, 24
_GAP, _COLUMN_GAP, _MARGIN = 8, 56, 20


class DiagramColours(NamedTuple):
    """Colours of a drawing, as SVG writes them."""

    background: str
    box: str
    border: str
    text: str
    dim: str
    accent: str
    on_accent: str


PRINTED = DiagramColours("#ffffff", "#f3f4f6", "#8a919d", "#1b1e24", "#5a616d", "#2a63c8", "#ffffff")


class Box(NamedTuple):
    """Where a layer is drawn."""

    x: int
    y: int
    width: int
    height: int


def boxes(stages: tuple[InspectedStage, ...]) -> list[Box]:
    """The place of each layer; layers before the first scale are in its column."""
    heights: dict[int, int] = {}
    placed = []
    for stage in stages:
        column = max(1, stage.scale) - 1
        y = heights.get(column, _MARGIN + _BOX_HEIGHT)
        placed.append(Box(_MARGIN + column * (_BOX_WIDTH + _COLUMN_GAP), y, _BOX_WIDTH, _BOX_HEIGHT))
        heights[column] = y + _BOX_HEIGHT + _GAP
    return placed


def drawing_size(stages: tuple[InspectedStage, ...]) -> tuple[int, int]:
    """Width and height of the drawing."""
    placed = boxes(stages)
    return max(box.x + box.width for box in placed) + _MARGIN, max(box.y + box.height for box in placed) + _MARGIN


def architecture_svg(
    stages: tuple[InspectedStage, ...], colours: DiagramColours = PRINTED, present: int | None = None
) -> str:
    """The drawing as SVG; the stage `present` is lit.

    A box says what the layer is, the shape of the tensor after it, for a coupling its mask, for what is trained the
    number of parameters, and for what convolves its floating-point operations for one image. A scale ends with the
    prior of the latents that leave there; the line from it to the next column is the other half.
    """
    placed = boxes(stages)
    width, height = drawing_size(stages)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="{colours.background}"/>',
    ]
    for scale in sorted({max(1, stage.scale) for stage in stages}):
        x = _MARGIN + (scale - 1) * (_BOX_WIDTH + _COLUMN_GAP)
        parts.append(_text(x, _MARGIN + 8, f"Scale {scale}", colours.text, weight="bold"))
    for index, (stage, box) in enumerate(zip(stages, placed, strict=True)):
        if index:
            parts.append(_line(placed[index - 1], box, colours.border))
        lit = index == present
        fill, ink, dim = (
            (colours.accent, colours.on_accent, colours.on_accent) if lit else (colours.box, colours.text, colours.dim)
        )
        leaves = stage.layer.startswith("prior")
        parts.append(
            f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="{12 if leaves else 4}" '
            f'fill="{fill}" stroke="{colours.accent if leaves else colours.border}"/>'
        )
        name = stage.layer.partition(" of scale ")[0]
        parts.append(_text(box.x + 8, box.y + 16, f"{name}, {stage.mask}" if stage.mask else name, ink))
        facts = "x".join(map(str, stage.shape))
        if stage.flops:
            facts = f"{_short(stage.flops)} FLOPs · {facts}"
        if stage.parameters:
            facts = f"{_short(stage.parameters)} · {facts}"
        parts.append(_text(box.x + box.width - 8, box.y + 16, facts, dim, anchor="end"))
    return "\n".join([*parts, "</svg>", ""])


def _line(start: Box, end: Box, colour: str) -> str:
    if start.x == end.x:
        x = start.x + start.width // 2
        points = f"{x},{start.y + start.height} {x},{end.y}"
    else:
        middle = start.x + start.width + _COLUMN_GAP // 2
        from_y, to_y = start.y + start.height // 2, end.y + end.height // 2
        points = f"{start.x + start.width},{from_y} {middle},{from_y} {middle},{to_y} {end.x},{to_y}"
    return f'<polyline points="{points}" fill="none" stroke="{colour}"/>'


def _text(x: int, y: int, text: str, colour: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>'


def _short(count: int) -> str:
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"
