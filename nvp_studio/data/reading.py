"""How data are read where their files leave it open, and the facts and doubts on which that is decided.

Numbers become images in three steps. Facts are gathered (`ValueFacts`), it is decided once for the whole set (the
`Reading` with every choice made), and the decision is applied to each image. This module has the structures, without
NumPy; `values`, `axes` and `labels` decide.
"""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from nvp_studio.fields import DATA, Described
from nvp_studio.limits import Name, PathText, Sentence

KINDS = ("bool", "8-bit", "16-bit", "int", "float")
"""The kinds of numbers that have ranges of their own: truth values, bytes, two bytes without sign, other integers."""

_RANGE = re.compile(r"(?:(?P<kind>[a-z0-9-]+):)?(?P<low>[^:]+?)\.\.(?P<high>[^:]+)")
_VALUES_HELP = (
    "Numbers that become black and white, such as 0..4095 or -1..1; found: the lowest and highest there are; type: the "
    "whole range of the type they are stored in; without it detected from the data."
)
_AXES_HELP = (
    "Meaning of the axes of an array: N counts images, H height, W width, C channels, such as HWN; N alone: the first "
    "counts; flat: one row for each image; without it detected from the data."
)
_SPLIT_HELP = (
    "folders: folders called train, val or test are splits in any case; none: all images are for training, and a tenth "
    "of them for validation; without it taken from the names of all folders."
)


def parse_values(text: str) -> dict[str, tuple[float, float]]:
    """The (low, high) of each kind that `Reading.values` names; "" is the key of a range for all kinds.

    Empty for "", "found" and "type". Raises `ValueError` with a sentence.
    """
    if text in ("", "found", "type"):
        return {}
    ranges = {}
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        low, high = (math.nan, math.nan) if match is None else (_number(match["low"]), _number(match["high"]))
        kind = "" if match is None else match["kind"] or ""
        if not low < high or kind not in ("", *KINDS):
            raise ValueError(f"values are a range such as 0..4095 or -1..1, or 'found' or 'type'; not {text!r}")
        ranges[kind] = (low, high)
    return ranges


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be said about how data are read; the empty text leaves a choice to the program.

    A run stores the reading with each choice made, so that it is read alike when it is resumed. The fields are options
    of the command line under the same names.
    """

    values: Annotated[Name, Described(_VALUES_HELP, DATA)] = ""
    """A stored one names the kind of numbers for each range: "8-bit:0..255,16-bit:0..4095"."""
    white: Annotated[
        Literal["", "high", "low"],
        Described("low where small numbers are white, high where large ones are; without it as the file says.", DATA),
    ] = ""
    axes: Annotated[Name, Described(_AXES_HELP, DATA)] = ""
    labels: Annotated[
        Literal["", "none"], Described("none leaves labels out; without it those that can be used are.", DATA)
    ] = ""
    split: Annotated[Literal["", "folders", "none"], Described(_SPLIT_HELP, DATA)] = ""
    leave_out: Annotated[
        tuple[Name, ...],
        msgspec.Meta(max_length=100),
        Described("A folder of images that are not to be used, such as test/defect or thumbs; may be repeated.", DATA),
    ] = ()
    """Besides folders of masks."""
    pages: Annotated[
        Literal["", "first"],
        Described("first takes the first page of each TIFF file; without it all, where they are of one size.", DATA),
    ] = ""
    fit: Annotated[
        Literal["", "crop", "pad", "stretch"],
        Described("How images of another aspect are brought to the size: pad, stretch, or crop, as without it.", DATA),
    ] = ""
    pad: Annotated[
        Literal["", "edge", "black", "white"],
        Described("What --fit pad fills with: black, white, or the colours of the edge, as without it.", DATA),
    ] = ""
    earlier_layout: bool = False
    """Whether folders are divided as by a version whose records say nothing of how data are read; not an option."""

    def after(self, other: "Reading") -> "Reading":
        """This reading, with what `other` says of numbers and shape where it leaves that open."""
        names = ("values", "white", "fit", "pad")
        return msgspec.structs.replace(self, **{name: getattr(self, name) or getattr(other, name) for name in names})

    def __post_init__(self) -> None:
        parse_values(self.values)
        if self.axes not in ("", "N", "flat") and sorted(self.axes) not in (list("HNW"), list("CHNW")):
            raise ValueError(
                f"axes are an order of N, H, W and perhaps C, such as NHW, or N or flat; not {self.axes!r}"
            )


HIGH_BYTE = "16-bit colour read by its high byte"
"""A note on an image."""
UNDECIDED = Reading()
"""Leaves every choice to the program."""


class _Trained(msgspec.Struct):
    """The part of a run's configuration that says how its data were read."""

    reading: Reading = UNDECIDED


def recorded_reading(train_config: str) -> Reading:
    """How the data of a model were read, of its `CheckpointInfo.train_config`; `UNDECIDED` where that does not say."""
    try:
        return msgspec.json.decode(train_config, type=_Trained).reading
    except (msgspec.MsgspecError, RecursionError):
        return UNDECIDED


class Mapping(msgspec.Struct, frozen=True):
    """The range of one of `KINDS` of numbers that becomes 0..255; what lies outside becomes black or white."""

    kind: str
    low: float
    high: float

    @property
    def text(self) -> str:
        """The form in `Reading.values`, which reads back to the same numbers."""
        return f"{self.kind}:{number_text(self.low)}..{number_text(self.high)}"

    @property
    def note(self) -> str:
        """What it does, for a person, such as "16-bit 0..4095 to 8-bit"; empty where it does nothing."""
        if self.kind == "8-bit":
            return "" if (self.low, self.high) == (0, 255) else f"{self.low:g}..{self.high:g} to 0..255"
        if self.kind == "bool":
            return "false and true to black and white"
        whole = self.kind == "16-bit" and (self.low, self.high) == (0, 65535)
        return "16-bit to 8-bit" if whole else f"{self.kind} {self.low:g}..{self.high:g} to 8-bit"


class ValueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of numbers of one kind; the facts of two parts of a set add up to those of both."""

    kind: str
    """One of `KINDS`."""
    low: float = math.inf
    """The lowest, of those that are finite."""
    high: float = -math.inf
    count: int = 0
    not_finite: int = 0
    below_zero: int = 0
    above_one: int = 0
    declared: int = 0
    """Bits in use that the files themselves state, 0 where they do not."""
    seen: bytes = b""
    """Of bytes, a bit for each of the 256 values: whether it occurs."""

    def __add__(self, other: "ValueFacts") -> "ValueFacts":
        if self.kind != other.kind:
            raise ValueError(f"facts of {self.kind} and {other.kind} numbers do not add up")
        return ValueFacts(
            kind=self.kind,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            count=self.count + other.count,
            not_finite=self.not_finite + other.not_finite,
            below_zero=self.below_zero + other.below_zero,
            above_one=self.above_one + other.above_one,
            declared=max(self.declared, other.declared),
            seen=_both(self.seen, other.seen),
        )

    @property
    def levels(self) -> int:
        """How many different bytes occur; 0 for other kinds."""
        return int.from_bytes(self.seen, "little").bit_count()


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """A doubt whether data are read as they are meant, for a person to confirm or correct."""

    kind: Name
    """A short word for the doubt, the same in each version: "few levels"."""
    words: Sentence
    """A clause without full stop that says what was found and what is done with it."""
    option: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=64)] = ()
    """What reads the data in the other way, as arguments of the command line: ("--values", "0..15")."""
    serious: bool = False
    """Whether a run on the data as they are read is most probably a mistake."""


def doubts_of(notes: Iterable[str]) -> tuple[Suspicion, ...]:
    """The doubts that notes on single images give about their set."""
    if HIGH_BYTE not in notes:
        return ()
    words = f"{HIGH_BYTE}, which is coarse where part of the bits are in use: save it as 16-bit PNG"
    return (Suspicion(kind="high byte", words=words),)


def number_text(number: float) -> str:
    """The shortest text that reads back to the same number, whole ones without a point."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 2**53 else repr(float(number))


def as_options(reading: Reading) -> list[str]:
    """The arguments of a command line that give `reading`, not quoted."""
    options = []
    for field in msgspec.structs.fields(Reading):
        value = getattr(reading, field.name)
        if value != field.default and field.name != "earlier_layout":
            for one in value if isinstance(value, tuple) else (value,):
                options += [f"--{field.name.replace('_', '-')}", str(one)]
    return options


def _both(one: bytes, other: bytes) -> bytes:
    size = max(len(one), len(other))
    return (int.from_bytes(one, "little") | int.from_bytes(other, "little")).to_bytes(size, "little")
