"""Numbers as a person reads and types them."""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from nvp_studio.text import number_text


def short_number(number: int) -> str:
    """123456 as "123 k", 6400000 as "6.4 M"."""
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} M"
    return f"{number / 1e3:.0f} k" if number >= 1000 else str(number)


def round_step(least: float) -> float:
    """The smallest step of 1, 2 or 5 times a power of ten that is at least `least`."""
    scale = 10.0 ** math.floor(math.log10(least))
    return scale * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * scale >= least * 0.999)


@dataclass(frozen=True)
class Separators:
    """What separates whole and broken part, and thousands, in a locale."""

    point: str
    group: str


class Parsed(NamedTuple):
    """A number, or the reason why a text is none."""

    value: int | float | None
    """An `int` where a whole number was asked for."""
    reason: str = ""


_MINUS = str.maketrans({"\u2212": "-"})
_BLANKS = "[ \u00a0\u2009\u202f'\u2019_]"
_NUMBER = re.compile(rf"([+-]?)[ \u00a0\u202f]*([0-9.,]+(?:{_BLANKS}[0-9.,]+)*)(?:[eE]([+-]?[0-9]{{1,4}}))?")
_NO_NUMBER = Parsed(None, "not a number")


def parse_number(text: str, separators: Separators, *, whole: bool = False, unit: str = "") -> Parsed:
    """The number that a person means by `text`, perhaps with its `unit` behind it; or why it is none or in doubt.

    Thousands are groups of three digits, separated by blanks, apostrophes, underscores, points or commas. Of two kinds
    of separators the last is the point. A single point or comma is the point, unless exactly three digits follow one to
    three that do not begin with 0: then the locale decides. The window writes a point in every locale; so where the
    locale separates groups by points, or neither way, such a number is in doubt.
    """
    text = text.strip().translate(_MINUS)
    match = _NUMBER.match(text)
    if match is None:
        return Parsed(None, "not a number" if text else "a number is needed")
    rest = text[match.end() :].strip().lower()
    if rest and not (unit and (unit.lower().startswith(rest) or rest.startswith(unit.lower()))):
        return _NO_NUMBER
    sign, body, exponent = match[1], re.sub(_BLANKS, " ", match[2]), match[3] or "0"
    points = [character for character in body if character in ".,"]
    point = points[-1] if len(set(points)) == 2 or len(points) == 1 else ""
    if len(points) == 1 and match[3] is None and re.fullmatch(r"[1-9][0-9]{0,2}[.,][0-9]{3}", body):
        head, tail = re.split("[.,]", body)
        if point == separators.group and (whole or point == ","):
            point = ""
        elif whole or point != separators.point:
            one = number_text(float(f"{sign}{head}.{tail}"))
            one += "0" if tail == tail.rstrip("0") else ""
            return Parsed(None, f"{sign}{body} is in doubt: write {one} or {sign}{head}{tail}")
    before, _, after = body.rpartition(point) if point else (body, "", "")
    digits = _ungrouped(before)
    if digits is None or not (digits + after) or not re.fullmatch("[0-9]*", after):
        return _NO_NUMBER
    exact = Decimal(f"{sign}{digits or 0}.{after or 0}e{exponent}")
    if not math.isfinite(float(exact)):
        return Parsed(None, "too large a number")
    if not whole:
        return Parsed(float(exact))
    if exact != exact.to_integral_value():
        return Parsed(None, "a whole number is needed")
    return Parsed(int(exact))


def _ungrouped(text: str) -> str | None:
    """The digits of `text`, which may be in groups of three with one kind of separator; None if they are not."""
    if re.fullmatch(r"[0-9]*|[0-9]{1,3}(?:([ .,])[0-9]{3})(?:\1[0-9]{3})*", text):
        return re.sub("[ .,]", "", text)
    return None
