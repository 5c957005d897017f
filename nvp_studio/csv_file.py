"""CSV: tables for spreadsheets."""

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable
from typing import TextIO

from nvp_studio.text import escaped

Row = Iterable[str | int | float | None]


def csv_cell(text: str) -> str:
    """A cell with text from elsewhere: no spreadsheet takes it for a formula, and it can be written as UTF-8.

    Text that begins like a formula, also after blanks or in full-width characters, gets an apostrophe in front.
    Control characters and bytes of a path that are not UTF-8 become escapes.
    """
    text = escaped(text)
    first = unicodedata.normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if first.startswith(("=", "+", "-", "@")) else text


def csv_writer(stream: TextIO, columns: Iterable[str]) -> Callable[[Row], object]:
    """Write a heading to `stream` and return a function that writes a row; None is an empty cell."""
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(columns)
    return table.writerow


def csv_text(columns: Iterable[str], rows: Iterable[Row]) -> str:
    """A whole table as text."""
    stream = io.StringIO()
    write = csv_writer(stream, columns)
    for row in rows:
        write(row)
    return stream.getvalue()
