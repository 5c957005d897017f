"""The columns of the table of scores: what stands in them, and what is said of them."""

from typing import Literal, get_args

from PySide6.QtCore import QCoreApplication, Qt

from nvp_studio.score_row import ScoreRow
from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.state.score_rows import label_of, remark
from nvp_studio.text import figure

ColumnName = Literal["image", "name", "label", "score", "error", "percentile", "ratio", "p_value", "verdict", "notes"]
COLUMNS: tuple[ColumnName, ...] = get_args(ColumnName)
OPTIONAL: tuple[ColumnName, ...] = ("error", "ratio")
"""Those that are shown where an option of scoring asks for them."""
_NUMBERS = ("score", "error", "percentile", "ratio", "p_value")


def _tr(text: str) -> str:
    return QCoreApplication.translate("ScoresModel", text)


def cell_text(row: ScoreRow, column: ColumnName) -> str:
    """What stands in a column but that of the name."""
    match column:
        case "label":
            return label_of(row)
        case "notes":
            return remark(row.error, row.reasons, row.notes)
        case "score":
            return _format(row.bits_per_dim, 3)
        case "error":
            return _format(None if row.numbers is None else row.numbers.standard_error, 4)
        case "ratio":
            return _format(None if row.numbers is None else row.numbers.likelihood_ratio, 3)
        case "percentile":
            return _format(row.percentile, 1)
        case "p_value":
            return "–" if row.p_value is None else figure(row.p_value, ".2g")
        case "verdict":
            return verdict_text(row.verdict)
    return ""


def verdict_text(verdict: str) -> str:
    """A verdict in words, a dash for none."""
    texts = {"typical": _tr("typical"), "unusual": _tr("unusual"), "far outside": _tr("far outside")}
    return texts.get(verdict, "–")


def titles() -> dict[ColumnName, str]:
    """The headings."""
    return {
        "image": "",
        "name": _tr("File"),
        "label": _tr("Label"),
        "score": _tr("Bits/dim"),
        "error": _tr("±"),
        "percentile": _tr("Percentile"),
        "ratio": _tr("Ratio"),
        "p_value": _tr("p-value"),
        "verdict": _tr("Verdict"),
        "notes": _tr("Remarks"),
    }


def tips() -> dict[ColumnName, str]:
    """What the headings mean."""
    return {
        "label": _tr("The folder that the file is in"),
        "score": _tr("Bits per dimension: lower is likelier under the model, as plain pictures are too"),
        "error": _tr("Standard error of the bits/dim over the noise samples"),
        "ratio": _tr("Bits/dim under the second model less those under this one: low is unusual"),
        "percentile": _tr("Percentage of the reference images that score lower"),
        "p_value": _tr("Of the rule behind the verdict: the share of reference images that are as unusual"),
        "verdict": _tr("Unusual and far outside: the p-value is not above the false-alarm rate"),
        "notes": _tr("Why it is unusual, how its image was changed to the model's size, or why it has no score"),
    }


def optional_columns(options: ScoreOptions) -> set[ColumnName]:
    """Those of `OPTIONAL` that have something to say with these options."""
    wanted: dict[ColumnName, bool] = {"error": options.samples > 1, "ratio": bool(options.against)}
    return {name for name, is_wanted in wanted.items() if is_wanted}


def alignment(column: ColumnName) -> Qt.AlignmentFlag:
    """Numbers are at the right, texts at the left."""
    side = Qt.AlignmentFlag.AlignRight if column in _NUMBERS else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _format(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
