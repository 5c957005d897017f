"""Everything that was measured of one image, in groups, as a text that scrolls and can be copied."""

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QTextBrowser

from nvp_studio.score_row import ScoreRow
from nvp_studio.text import figure, pixels_text
from nvp_studio.views.theme import SPACE, scaled_font

_Line = tuple[str, str, str]
"""What it is, its value, what it means."""
_SMALLEST_P = 1e-12
"""P-values below come from rounding."""


def _tr(text: str) -> str:
    return QCoreApplication.translate("ScoreNumbers", text)


class ScoreNumbersView(QTextBrowser):
    """Shows the numbers of a row, or says why it has none."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Everything that was measured of the chosen file"))
        self.setFont(scaled_font(12))
        self.document().setDocumentMargin(SPACE)
        self._shown = ""

    def show_row(self, row: ScoreRow | None, shapes: Sequence[tuple[int, int, int]]) -> None:
        """Show the numbers of `row`; `shapes` are those (C, H, W) of the latents of each scale, finest first."""
        content = _html(row, shapes)
        if content != self._shown:  # so that a row that is judged again does not scroll back
            self._shown = content
            self.setHtml(content)


def _html(row: ScoreRow | None, shapes: Sequence[tuple[int, int, int]]) -> str:
    if row is None:
        return _paragraph(_tr("Choose a file to see its numbers."))
    numbers, bits = row.numbers, row.bits_per_dim
    if bits is None:
        return _paragraph(_tr("This file has no score."))
    if numbers is None:
        return _paragraph(_tr("Only the bits/dim of this file are known; score it again to see all numbers."))
    error = "" if numbers.standard_error is None else f" ± {numbers.standard_error:.4f}"
    likelihood = [
        (_tr("Bits/dim"), f"{bits:.4f}{error}", _tr("lower is likelier under the model")),
        (
            _tr("Log-likelihood"),
            _tr("{0} nats").format(figure(numbers.nats, ",.1f")),
            _tr("density of values in [0, 1]"),
        ),
        (
            _tr("Log-determinant"),
            _tr("{0} nats").format(figure(numbers.log_det, ",.1f")),
            _tr("of the map to the latents"),
        ),
    ]
    if numbers.typicality is not None:
        meaning = _tr("two-sided p-value of the bits/dim: small is too likely or too unlikely")
        likelihood.append((_tr("Typicality"), figure(numbers.typicality, ".2g"), meaning))
    if numbers.likelihood_ratio is not None:
        meaning = _tr("bits/dim under the second model less these: low is unusual")
        likelihood.append((_tr("Likelihood ratio"), figure(numbers.likelihood_ratio, ".3f"), meaning))
    size = [
        (_tr("Ideal coding"), _bytes(numbers.ideal_bytes), _tr("with this model")),
        (_tr("Lossless WebP"), _bytes(numbers.webp_bytes), _tr("the same pixels")),
        (_tr("PNG"), _bytes(numbers.png_bytes), _tr("the same pixels")),
        (
            _tr("Less WebP"),
            _tr("{0} bits/dim").format(figure(numbers.complexity, "+.3f")),
            _tr("above 0: WebP describes it better"),
        ),
    ]
    views = [
        (name, figure(value, ".4g"), meaning)
        for name, value, meaning in (
            (_tr("Distance"), numbers.distance, _tr("what the verdict rests on")),
            (_tr("Statistics"), numbers.statistics_distance, _tr("bits/dim beside file size and latents")),
            (_tr("Coarsest latents"), numbers.coarse_distance, _tr("from those of training images")),
            (_tr("Shape"), numbers.shape, _tr("nats; high is unlike the reference")),
            (_tr("Turned"), numbers.turned, _tr("nats; above 0 a turned copy fits better")),
        )
        if value is not None
    ]
    return (
        _group(_tr("Likelihood"), likelihood)
        + _group(_tr("Size of the pixels"), size)
        + _scales(row, shapes)
        + (_group(_tr("Distances from the reference"), views) if views else "")
    )


def _scales(row: ScoreRow, shapes: Sequence[tuple[int, int, int]]) -> str:
    """A line for each scale, and above them what its columns are for normally distributed latents."""
    if row.numbers is None or not row.numbers.squares:
        return ""
    heads = (_tr("Scale"), _tr("mean z²"), _tr("p of |z|²"), _tr("kurtosis"))
    lines = ["".join(_cell(head, "th", right=place > 0) for place, head in enumerate(heads))]
    lines.append(
        "".join(_cell(text, right=place > 0) for place, text in enumerate((_tr("under the prior"), "1", "0–1", "3")))
    )
    numbers = row.numbers
    values = zip(numbers.squares, numbers.norm_p, numbers.kurtosis, strict=True)
    for scale, (square, p_value, kurtosis) in enumerate(values, 1):
        name = f"{scale}"
        if scale <= len(shapes):
            name += f" ({pixels_text(shapes[scale - 1][2], shapes[scale - 1][1])})"
        p_text = f"< {figure(_SMALLEST_P, '.0e')}" if p_value < _SMALLEST_P else figure(p_value, ".2g")
        cells = (name, f"{square:.3f}", p_text, figure(kurtosis, ".2f"))
        lines.append("".join(_cell(text, right=place > 0) for place, text in enumerate(cells)))
    rows = "".join(f"<tr>{line}</tr>" for line in lines)
    note = _paragraph(
        _tr(
            "Latents z of each scale, finest first. p is two-sided, of |z|² under its chi-squared law: near 0 the norm "
            "is too small or too large. Kurtosis above 3: a few values are far out."
        )
    )
    return _heading(_tr("Latents by scale")) + f'<table width="100%" cellpadding="1">{rows}</table>{note}'


def _group(title: str, lines: Sequence[_Line]) -> str:
    rows = "".join(
        f"<tr>{_cell(name)}<td align=right style='white-space:nowrap'><b>{escape(value)}</b></td></tr>"
        f"<tr><td colspan=2><small>{escape(meaning)}</small></td></tr>"
        for name, value, meaning in lines
    )
    return f'{_heading(title)}<table width="100%" cellpadding="1">{rows}</table>'


def _heading(text: str) -> str:
    return f"<h4 style='margin-bottom:2px'>{escape(text)}</h4>"


def _paragraph(text: str) -> str:
    return f"<p><small>{escape(text)}</small></p>"


def _cell(text: str, kind: str = "td", *, right: bool = False) -> str:
    return f"<{kind} align={'right' if right else 'left'}>{escape(text)}</{kind}>"


def _bytes(count: float) -> str:
    return _tr("{0} bytes").format(f"{count:,.0f}")
