"""The measured AUROC of every score as a table, for the help."""

from html import escape

from PySide6.QtCore import QCoreApplication

from nvp_studio.scores.auroc_table import MeasuredModel, measured_models
from nvp_studio.views.theme import colors


def _tr(text: str) -> str:
    return QCoreApplication.translate("MeasuredScores", text)


def measured_html() -> str:
    """A table of each model that was measured, with a row for each set of images."""
    return "".join(map(_table, measured_models()))


def _table(model: MeasuredModel) -> str:
    titles = {
        "bits_per_dim": _tr("bits/dim"),
        "two_sided": _tr("two-sided"),
        "complexity": _tr("less WebP"),
        "statistics_distance": _tr("statistics"),
        "coarse_distance": _tr("latents"),
        "shape": _tr("shape"),
        "turned": _tr("turned"),
        "verdict": _tr("verdict"),
    }
    lines = [[_tr("images"), *titles.values(), _tr("its 95 %"), _tr("called")]]
    for place, kind in enumerate(model.sets):
        values = [_value(model.auroc[score][place], bold=score == "verdict") for score in titles]
        ends = f"{model.low[place]:.3f}–{model.high[place]:.3f}"
        lines.append([escape(_set_title(kind)), *values, ends, f"{100 * model.called[place]:.0f} %"])
    rows = "".join(f"<tr>{_cells(line, 'td' if place else 'th')}</tr>" for place, line in enumerate(lines))
    heading = _tr("{0}: {1} test images against {1} of each set; called: unusual or far outside at 1 %").format(
        escape(model.title), f"{model.images:,}"
    )
    table = f'<table width="100%" cellpadding="2">{rows}</table>'
    return f"<p><b>{heading}</b></p>{table}<p><small>{_note(model)}</small></p>"


def _cells(texts: list[str], kind: str) -> str:
    return "".join(
        f"<{kind} align={'right' if place else 'left'} style='white-space:nowrap'><small>{text}</small></{kind}>"
        for place, text in enumerate(texts)
    )


def _note(model: MeasuredModel) -> str:
    alarms = "; ".join(
        _tr("{0} of {1} at {2} %").format(f"{one.count:,}", f"{one.images:,}", f"{100 * one.rate:g}")
        for one in model.false_alarms
    )
    text = _tr("False alarms among test images: {0}. Model {1}, {2}, {3}; python -m benchmarks.ood")
    return escape(text.format(alarms, model.digest, model.machine, model.date))


def _value(value: float, *, bold: bool) -> str:
    text = f"{value:.3f}"
    if value < 0.5:
        text = f"<font color='{colors().error}'>{text}</font>"
    return f"<b>{text}</b>" if bold else text


def _set_title(kind: str) -> str:
    """A set of `benchmarks/ood.py` in words."""
    return {
        "digits": _tr("drawn digits"),
        "glyphs": _tr("glyphs"),
        "strokes": _tr("strokes"),
        "constant": _tr("one colour"),
        "noise": _tr("noise"),
        "photographs": _tr("photographs"),
        "emoji": _tr("emoji"),
        "inverted": _tr("inverted"),
        "shuffled": _tr("shuffled"),
        "upside down": _tr("upside down"),
        "turned by 90°": _tr("turned by 90°"),
    }.get(kind, kind)
