"""Labels of image files: from a CSV table, or the names of their folders."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path

from nvp_studio.text import one_line, printable

NONE = "none"
MAX_CHARACTERS = 200


class LabelsError(ValueError):
    """A table of labels cannot be read."""


class FileLabels:
    """What a label is of each file; a table's paths are absolute, or relative to the table, a given folder or here."""

    def __init__(self, labels: str | None, files: Iterable[Path] = ()) -> None:
        """`labels` is a table, `NONE`, or None for names of folders; raises `LabelsError` for what cannot be read."""
        self.table = "" if labels in (None, NONE) else str(labels)
        """The path of the table; empty without one."""
        self._by_path: dict[str, str] | None = None
        self._bases: list[str] = []
        if labels == NONE:
            self._by_path = {}
        elif labels is not None:
            table = Path(labels)
            self._by_path = _read(table)
            self._bases = [os.path.abspath(base) for base in (table.parent, *files, Path())]

    def add_bases(self, files: Iterable[str | os.PathLike[str]]) -> None:
        """Let paths of the table be relative to these folders too."""
        self._bases += [base for base in map(os.path.abspath, files) if base not in self._bases and os.path.isdir(base)]

    def of(self, path: str | os.PathLike[str]) -> str:
        """The label of a file; empty where the table has none for it."""
        if self._by_path is None:
            return one_line(printable(Path(path).parent.name), MAX_CHARACTERS)
        absolute = os.path.abspath(path)
        names = [os.fspath(path), absolute]
        names += [absolute[len(base) + 1 :] for base in self._bases if absolute.startswith(base + os.sep)]
        return next((self._by_path[name] for name in map(_key, names) if name in self._by_path), "")


def _read(table: Path) -> dict[str, str]:
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if not {"path", "label"} <= set(rows.fieldnames or ()):
                raise LabelsError(f"{table} has no columns path and label in its first line")
            return {
                _key(row["path"]): one_line(printable((row["label"] or "").strip()), MAX_CHARACTERS)
                for row in rows
                if row["path"]
            }
    except (OSError, UnicodeError, csv.Error) as error:
        raise LabelsError(f"the labels in {table} cannot be read: {error}") from error


def _key(path: str) -> str:
    return os.path.normpath(path)
