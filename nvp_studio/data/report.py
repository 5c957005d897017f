"""What data hold and how they are read, for a person to see before a run trains on them; without NumPy."""

import shlex
from collections.abc import Callable, Sequence
from typing import Annotated

import msgspec

from nvp_studio.data.reading import UNDECIDED, Reading, Suspicion, as_options
from nvp_studio.image_batch import ImageBatch
from nvp_studio.limits import Name, PathText, Sentence, Sentences
from nvp_studio.text import counted, pixels_text, shape_text

OptionWords = Callable[[Sequence[str]], str]
"""Puts options of the command line, as arguments, into words; none for no options."""
MAX_SAMPLES = 48
"""Images of a report, evenly over splits and classes."""
MAX_SIDE = 96
"""Longest side, in pixels, of these images; larger ones are made smaller."""
MAX_CLASSES = 12
"""Classes of a split that are listed."""


class SplitFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The images of one split."""

    name: Name
    """"train", "validation" or "test"."""
    images: int
    classes: Annotated[tuple[tuple[Name, int], ...], msgspec.Meta(max_length=256)] = ()
    """The first `MAX_CLASSES` classes of which it has images, with their number."""
    class_count: int = 0
    """Of how many classes it has images."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Files or images that are not trained on for the same reason."""

    reason: Sentence
    count: int
    examples: Annotated[tuple[Sentence, ...], msgspec.Meta(max_length=64)] = ()
    """Names of the first files, or of their folders with a slash behind them."""
    option: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=64)] = ()
    """What takes them in, as arguments of the command line: ("--split", "none")."""


class DataReport(msgspec.Struct, frozen=True, kw_only=True, tag="data-report"):
    """What is known of the data that a run would train on, or trains on."""

    title: PathText = ""
    splits: Annotated[tuple[SplitFacts, ...], msgspec.Meta(max_length=16)] = ()
    estimated: bool = False
    """Whether the numbers of `splits` are estimated from a part of the files' names."""
    class_count: int = 0
    """Classes in all splits."""
    image_shape: tuple[int, int, int] | None = None
    """(C, H, W) of the images as they are trained on, None where that is not known or they have none in common."""
    smallest: tuple[int, int] | None = None
    """(width, height) of the smallest image that was looked at, by area; None where none could be read."""
    largest: tuple[int, int] | None = None
    alike: bool = True
    """Whether all images that were looked at have one size."""
    looked_at: int = 0
    """Files whose header was read, 0 for data that are not in image files of their own."""
    unreadable: int = 0
    """Those of them that are no images."""
    unread: bool = False
    """Whether no more is told before a run reads the data, for their size or because a library reads them."""
    levels: tuple[int, int, int] | None = None
    """Of the images looked at, as they are trained on: darkest level, brightest level, number of levels, 0 to 255."""
    reading: Reading = UNDECIDED
    """As it was decided."""
    notes: Sentences = ()
    """What was changed in the images, each a clause."""
    left_out: Annotated[tuple[LeftOut, ...], msgspec.Meta(max_length=1000)] = ()
    suspicions: Annotated[tuple[Suspicion, ...], msgspec.Meta(max_length=1000)] = ()
    samples: ImageBatch | None = None
    """At most `MAX_SAMPLES` of the images as they are trained on, those of the training split first."""
    sample_names: Annotated[tuple[PathText, ...], msgspec.Meta(max_length=256)] = ()
    problem: Sentence = ""
    """Why no run can train on the data as they are read, a clause; empty when one can."""

    @property
    def images(self) -> int:
        """Number of images in all splits."""
        return sum(split.images for split in self.splits)

    @property
    def train(self) -> int:
        """Number of images that a run learns from."""
        return sum(split.images for split in self.splits if split.name == "train")


def rows(report: DataReport, option_words: OptionWords = shlex.join) -> list[tuple[str, str]]:
    """The report as names and texts for a table; `option_words` names options of reading."""
    table = [("images", _images_text(report)), *_class_rows(report)]
    table.append(("size", size_text(report)))
    if report.levels is not None:
        darkest, brightest, levels = report.levels
        table.append(("values", f"{darkest} to {brightest} of 0 to 255, {counted(levels, 'level')}"))
    table.append(("read with", option_words(as_options(report.reading))))
    table += [("note", note) for note in report.notes]
    table += [
        ("left out", left_out_text(one) + _option_text(option_words(one.option), "takes them in"))
        for one in report.left_out
    ]
    table += [("warning", suspicion_text(one, option_words)) for one in report.suspicions]
    table.append(("problem", report.problem))
    return [(name, text) for name, text in table if text]


def facts(report: DataReport) -> dict[str, object]:
    """The report without its pictures, ready for JSON."""
    fields: dict[str, object] = msgspec.to_builtins(msgspec.structs.replace(report, samples=None, sample_names=()))
    del fields["samples"], fields["sample_names"], fields["type"]
    return fields


def size_text(report: DataReport) -> str:
    """The size of the images, as they are in the files and as they are trained on."""
    trained = "" if report.image_shape is None else shape_text(*report.image_shape)
    if report.smallest is None or report.largest is None:
        return trained
    smallest, largest = (pixels_text(*size) for size in (report.smallest, report.largest))
    found = smallest if report.alike else f"{smallest} to {largest}"
    if not trained or (report.alike and trained.startswith(f"{found} ")):
        return trained or found
    return f"{trained}, made of {found}"


def suspicion_text(suspicion: Suspicion, option_words: OptionWords = shlex.join) -> str:
    """What is doubtful, with the option that would change it."""
    return suspicion.words + _option_text(option_words(suspicion.option), "changes it")


def left_out_text(left_out: LeftOut) -> str:
    """How much was left out and why, with examples."""
    examples = ", ".join(left_out.examples)
    folders = any(example.endswith("/") for example in left_out.examples)
    more = ", ..." if left_out.count > len(left_out.examples) and not folders else ""
    return f"{left_out.count:,}: {left_out.reason}" + (f" ({examples}{more})" if examples else "")


def _option_text(option: str, effect: str) -> str:
    return f" ({option} {effect})" if option else ""


def _images_text(report: DataReport) -> str:
    if report.unread and not report.splits:
        return "counted when a run reads the data"
    about = "about " if report.estimated else ""
    return ", ".join(f"{about}{split.images:,} {split.name}" for split in report.splits)


def _class_rows(report: DataReport) -> list[tuple[str, str]]:
    """The classes of the training images, with those of other splits and of all where these are others."""
    listed: set[str] = set()
    table: list[tuple[SplitFacts, str]] = []
    for split in report.splits:
        names = {name for name, _ in split.classes}
        if not names <= listed:
            table.append((split, _classes_text(split)))
            listed |= names
    if len(table) == 1 and table[0][0].class_count == report.class_count:
        return [("classes", table[0][1])]
    in_all = [("classes", f"{report.class_count:,} in all")] if table else []
    return in_all + [(f"{split.name} classes", text) for split, text in table]


def _classes_text(split: SplitFacts) -> str:
    more = ", ..." if split.class_count > len(split.classes) else ""
    return f"{split.class_count:,}: " + ", ".join(f"{name} {count:,}" for name, count in split.classes) + more
