"""Reading a table of scores that was written before, as CSV by the window or `nvp-studio score`."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nvp_studio.data.archive_paths import Archives
from nvp_studio.data.scored_files import CONTENT, has_changed, name_of
from nvp_studio.score_row import COLUMNS, DETAILS, ScoreRow

_LISTS = ("squares", "norm_p", "kurtosis")
_NEEDED = ("path", "bits_per_dim", "error")
_TAKEN = 1e9
"""The surprise of a reason whose own one is not in the table: it is given at every rate."""


def read_table(path: str, digest: str, archives: Archives) -> Iterator[ScoreRow | None]:
    """Yield the rows of a CSV file that have a score; None for one without, or of a file that has changed since.

    Raises `ValueError` for a file that is no table of scores, and for scores of another model than that of `digest`
    where the table says which. The table has neither the tail behind a verdict nor what reasons rest on: at another
    rate "far outside" and the reasons stay as they are as long as the p-value is not above it.
    """
    name = Path(path).name
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            table = csv.reader(line for line in file if line.endswith("\n"))  # one that was cut off is left out
            columns = next(table, [])
            if not set(_NEEDED) <= set(columns):
                raise ValueError(f"{name} is no table of scores: its first line lacks {', '.join(_NEEDED)}")
            for cells in table:
                row = dict(zip(columns, cells, strict=False))
                if row.get("model_sha256", digest) != digest:
                    raise ValueError(f"{name} has scores by {row.get('model') or 'another model'}, which is not open")
                yield _row(row, archives) if len(cells) == len(columns) else None
    except (OSError, UnicodeError, csv.Error) as error:
        raise ValueError(f"{name} cannot be read: {error}") from error


def _row(cells: dict[str, str], archives: Archives) -> ScoreRow | None:
    path = name_of(cells["path"])
    if cells["error"] or not cells["bits_per_dim"] or has_changed(path, cells.get(CONTENT, ""), archives):
        return None
    fields: dict[str, object] = {name: cells[name] for name in COLUMNS if cells.get(name)}
    fields |= {name: _texts(cells.get(name, "")) for name in ("reasons", "notes")}
    fields |= {"path": path, "label_name": cells.get("label_name") or str(fields.pop("label", ""))}
    if cells.get("nats"):
        numbers = {name: cells[name] for name in DETAILS if cells.get(name)}
        fields["numbers"] = {name: _texts(text) if name in _LISTS else text for name, text in numbers.items()}
    try:
        row = msgspec.convert(fields, ScoreRow, strict=False)
    except msgspec.ValidationError:
        return None
    if row.bits_per_dim is None or not math.isfinite(row.bits_per_dim):
        return None
    if row.p_value is None or not 0 < row.p_value <= 1:
        return msgspec.structs.replace(row, p_value=None, verdict="", reasons=())
    tail = -math.inf if row.verdict == "far outside" else math.log(row.p_value)
    return msgspec.structs.replace(row, log_tail=tail, causes=tuple((reason, _TAKEN) for reason in row.reasons))


def _texts(cell: str) -> tuple[str, ...]:
    return tuple(text for text in cell.removeprefix("'").split("; ") if text)
