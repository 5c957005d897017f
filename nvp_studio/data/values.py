"""The range of numbers that becomes 0..255: facts of arrays, the decision, and its application.

The decision is made once for a whole set. Bytes are taken as they are, except that a set of nothing but 0 and 1 is
black and white. Other numbers rarely use their type's whole range (cameras give 10 or 12 bits in 16), so their range is
told from the lowest and highest; whatever is not certain is said in a `Suspicion`.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as Counts
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from nvp_studio.data.dataset import DataError, Images
from nvp_studio.data.reading import KINDS, Mapping, Reading, Suspicion, ValueFacts, parse_values

Numbers = npt.NDArray[Any]

_BAND = 2**20
"""Values that are looked at or converted at once, so that no second array as large as the first is made."""
_TOPS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
"""The highest values of 8, 10, 12, 14 and 16 bits."""
_FEW = 31
"""Bytes that are no higher than this are probably levels that want to be stretched."""


def kind_of(dtype: "np.dtype[Any]", name: str) -> str:
    """Which of `KINDS` numbers of this type are; raises `DataError` for what are no real numbers."""
    if dtype == np.bool_:
        return "bool"
    if dtype.kind not in "iuf":
        raise DataError(f"{name} holds {dtype}, not pixels")
    return {"u1": "8-bit", "u2": "16-bit"}.get(dtype.str[1:], "float" if dtype.kind == "f" else "int")


def facts_of(values: Numbers, kind: str, declared: int = 0) -> ValueFacts:
    """Look at `values` of any shape, which may be none; `declared` are the bits that their file says are in use."""
    facts = ValueFacts(kind=kind, declared=declared)
    for band in _bands(values):
        facts += _facts_of_band(band, kind)
    return facts


def _facts_of_band(values: Numbers, kind: str) -> ValueFacts:
    count, seen = len(values), b""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not len(finite):
        return ValueFacts(kind=kind, count=count, not_finite=count)
    if values.dtype == np.uint8:
        seen = np.packbits(np.bincount(values, minlength=256) > 0, bitorder="little").tobytes()
    return ValueFacts(
        kind=kind,
        low=float(finite.min()),
        high=float(finite.max()),
        count=count,
        not_finite=count - len(finite),
        below_zero=int((finite < 0).sum()) if values.dtype.kind != "u" else 0,
        above_one=int((finite > 1).sum()) if values.dtype.kind == "f" else 0,
        seen=seen,
    )


def choose(facts: ValueFacts, reading: Reading, *, alone: bool = True) -> tuple[Mapping, list[Suspicion]]:
    """Decide the range for numbers of one kind, with the doubts there are about it.

    A range that `reading` gives holds. One that names no kind is not for truth values, and for bytes only where they
    are `alone`: where a set holds deeper numbers besides, bytes keep theirs.
    """
    given = parse_values(reading.values)
    takes_any = facts.kind != "bool" and (alone or facts.kind != "8-bit")
    if facts.kind in given or ("" in given and takes_any):
        return Mapping(facts.kind, *given.get(facts.kind, given.get("", (0, 1)))), []
    fixed = _type_range(facts)
    if fixed and (reading.values == "type" or not takes_any or facts.low > facts.high):
        return Mapping(facts.kind, *fixed), []
    if facts.low > facts.high:  # no numbers, or none that are finite
        return Mapping(facts.kind, 0, 1), []
    if reading.values == "found":
        return Mapping(facts.kind, *_found(facts)), []
    decide = {"float": _of_floats, "8-bit": _of_bytes}.get(facts.kind, _of_integers)
    (low, high), suspicions = decide(facts)
    return Mapping(facts.kind, low, high), suspicions


def is_decided(reading: Reading, kind: str) -> bool:
    """Whether `reading` leaves nothing to decide for numbers of this kind, so that they need not be looked at."""
    given = parse_values(reading.values)
    return kind == "bool" or kind in given or "" in given or (reading.values == "type" and kind == "8-bit")


def not_dark(facts: ValueFacts) -> bool:
    """Whether it is certain of bytes that they have their usual range, whatever others there are."""
    return facts.high > _FEW


@lru_cache(16)
def range_for(reading: Reading, kind: str) -> Mapping:
    """The range of numbers of this kind in a set for which `reading` was decided."""
    return choose(ValueFacts(kind=kind), reading)[0]


def choose_all(facts: Iterable[ValueFacts], reading: Reading) -> tuple[Reading, list[Suspicion]]:
    """Decide for a set with these facts, one for each kind, and return `reading` with every range in it."""
    by_kind = sorted(facts, key=lambda one: KINDS.index(one.kind))
    alone = all(one.kind in ("bool", "8-bit") for one in by_kind)
    chosen = [choose(one, reading, alone=alone) for one in by_kind]
    values = ",".join(mapping.text for mapping, _ in chosen)
    suspicions = [suspicion for _, of_one in chosen for suspicion in of_one]
    return msgspec.structs.replace(reading, values=values), suspicions


def doubts_about_depths(kinds: Counts[str, int], stated: Counts[int, int], decided: Reading) -> list[Suspicion]:
    """Say how many images have numbers of each kind, and of each number of bits that files state, if they differ.

    `kinds` counts the images by their kind, "" for those whose numbers are no levels; `stated` those of 16 bits by the
    bits that they state, 0 for none.
    """
    doubts = []
    named = {kind: count for kind, count in kinds.items() if kind}
    if len(named) > 1:
        ranges = {kind: range_for(decided, kind) for kind in named}
        parts = [f"{named[kind]:,} {kind} ({one.low:g}..{one.high:g})" for kind, one in ranges.items()]
        words = f"numbers of different kinds among {sum(kinds.values()):,} images: {', '.join(parts)} become 0..255"
        option = ("--values", ",".join(f"{kind}:LOW..HIGH" for kind in named))
        doubts.append(Suspicion(kind="different kinds", words=words, option=option))
    if len(stated) > 1:
        ordered = sorted(stated.items(), reverse=True)
        parts = [f"{count:,} of {bits} bits" if bits else f"{count:,} of unstated bits" for bits, count in ordered]
        one = range_for(decided, "16-bit")
        words = f"images of different bits in use: {', '.join(parts)}; {one.low:g}..{one.high:g} becomes 0..255 in all"
        doubts.append(Suspicion(kind="different bits", words=words, option=("--values", "LOW..HIGH")))
    return doubts


def apply(values: Numbers, mapping: Mapping, *, inverted: bool = False) -> tuple[Images, int]:
    """Map finite `values` to levels of the same shape, rounded to nearest, with how many were outside of the range.

    `inverted` is for numbers of which small ones are white. Bytes that keep their range are returned as they are.
    """
    low, high = mapping.low, mapping.high
    if values.dtype == np.uint8 and (low, high) == (0, 255) and not inverted:
        return values, 0
    table = _table(values.dtype, mapping, inverted)
    levels = np.empty(values.shape, np.uint8)
    outside = 0
    for start in range(0, len(values), step := max(1, _BAND * len(values) // max(1, values.size))):
        band = values[start : start + step]
        outside += int(((band < low) | (band > high)).sum())
        if table is None:
            levels[start : start + step] = _levels(band, mapping, inverted)
        else:
            levels[start : start + step] = table[band.astype(np.int32) - np.iinfo(values.dtype).min]
    return levels, outside


def _table(dtype: "np.dtype[Any]", mapping: Mapping, inverted: bool) -> Images | None:
    """The level of each value that a type of one or two bytes can have; None for larger types."""
    if dtype.kind not in "iu" or dtype.itemsize > 2:
        return None
    bounds = np.iinfo(dtype)
    return _levels(np.arange(bounds.min, bounds.max + 1), mapping, inverted)


def _levels(values: Numbers, mapping: Mapping, inverted: bool) -> Images:
    scaled = (values.astype(np.float64) - mapping.low) * (255 / (mapping.high - mapping.low))
    levels = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return np.uint8(255) - levels if inverted else levels


def _bands(values: Numbers) -> Iterator[Numbers]:
    flat = values.ravel(order="K")  # no copy of an array in either order
    for start in range(0, len(flat), _BAND):
        yield flat[start : start + _BAND]


# Decisions by the kind of numbers


def _of_bytes(facts: ValueFacts) -> tuple[tuple[float, float], list[Suspicion]]:
    if facts.high <= 1:
        return _black_and_white(facts)
    if facts.high > _FEW:
        return (0, 255), []
    words = f"only values up to {facts.high:g} of 255: nearly black images"
    option = ("--values", f"0..{facts.high:g}")
    return (0, 255), [Suspicion(kind="few values", words=words, option=option, serious=True)]


def _of_integers(facts: ValueFacts) -> tuple[tuple[float, float], list[Suspicion]]:
    if top := _declared_top(facts):
        return (0, top), []
    if facts.low < 0:
        low, high = (-128, 127) if facts.low >= -128 and facts.high <= 127 else _found(facts)
        words = f"integers below zero, {facts.low:g} to {facts.high:g}: {low:g} becomes black, {high:g} white"
        return (low, high), [_guess("below zero", words)]
    if facts.high <= 1:
        return _black_and_white(facts)
    top = next((top for top in _TOPS if facts.high <= top), facts.high)
    if top == 65535 or (top == 255 and facts.kind == "int"):
        return (0, top), []
    return (0, top), [_part_in_use(facts, top)]


def _of_floats(facts: ValueFacts) -> tuple[tuple[float, float], list[Suspicion]]:
    low, high = facts.low, facts.high
    if low >= -0.1 and high <= 1.1:
        outside = _outside(facts)
        return (0, 1), [_guess("overshoot", f"{outside}; made black or white")] if outside else []
    if low >= -1.1 and high <= 1.1:
        return (-1, 1), [_guess("below zero", f"values from {low:.4g} to {high:.4g}: -1 becomes black, 1 white")]
    if low >= -5 and 20 < high <= 260:
        return (0, 255), []
    if low >= 0 and 260 < high <= 65535:
        top = next(top for top in _TOPS if high <= top)
        return (0, top), [_part_in_use(facts, top)]
    low, high = _found(facts)
    words = f"values of no usual range: {low:.4g} becomes black, {high:.4g} white"
    return (low, high), [_guess("no usual range", words)]


def _black_and_white(facts: ValueFacts) -> tuple[tuple[float, float], list[Suspicion]]:
    if facts.high == 0:
        return (0, 1), []
    words = "only 0 and 1: black and white"
    return (0, 1), [Suspicion(kind="0 and 1", words=words, option=("--values", "0..255"))]


def _part_in_use(facts: ValueFacts, top: float) -> Suspicion:
    words = f"highest value {facts.high:g}: 0..{top:g} becomes black to white"
    if facts.kind == "16-bit":
        words = f"{int(top).bit_length()} of 16 bits in use ({words})"
        return Suspicion(kind="part of the bits", words=words, option=("--values", "type"))
    return _guess("part of the bits", words)


def _outside(facts: ValueFacts) -> str:
    parts = [f"{facts.above_one:,} above 1"] if facts.above_one else []
    parts += [f"{facts.below_zero:,} below 0"] if facts.below_zero else []
    return f"of {facts.count:,} values {' and '.join(parts)}" if parts else ""


def _guess(kind: str, words: str) -> Suspicion:
    return Suspicion(kind=kind, words=words, option=("--values", "LOW..HIGH"))


def _found(facts: ValueFacts) -> tuple[float, float]:
    """Lowest and highest; a range of its own for numbers that are all equal."""
    return facts.low, facts.high if facts.high > facts.low else facts.low + 1


def _declared_top(facts: ValueFacts) -> float:
    """The highest value of the bits that files state; 0 where they state none, or have higher ones nevertheless."""
    top = 2.0**facts.declared - 1 if facts.declared else 0
    return top if facts.high <= top else 0


def _type_range(facts: ValueFacts) -> tuple[float, float] | None:
    """The whole range of the type, or of the bits of it that a file declares; None where that means nothing."""
    if top := _declared_top(facts):
        return 0, top
    return {"bool": (0.0, 1.0), "8-bit": (0.0, 255.0), "16-bit": (0.0, 65535.0)}.get(facts.kind)
