"""CSV: tables for spreadsheets."""

import csv
import io
from collections.abc import Callable, Iterable
from typing import TextIO

from nvp_studio.text import printable

Row = Iterable[str | int | float | None]


def csv_cell(text: str) -> str:
    """A cell with text from elsewhere: no spreadsheet takes it for a formula, and it can be written as UTF-8.

    Text that begins like a formula gets an apostrophe in front; bytes of a path that are not UTF-8 become escapes.
    """
    text = printable(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


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
