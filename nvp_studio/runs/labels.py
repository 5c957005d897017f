"""A person's labels of a run: another name, a note, tags, in a file beside the run's record."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from nvp_studio.files import read_regular, write_whole
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import MAX_NAME

LABELS = "labels.json"

_MAX_NOTE = 10_000
_MAX_TAG = 40
_MAX_TAGS = 30
_MAX_BYTES = 200_000


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``labels.json``; a folder without one has none."""

    name: str = ""
    """The name to show; empty: the name that the run was started with. The folder is not renamed."""
    note: str = ""
    tags: tuple[str, ...] = ()


def read_labels(folder: Path) -> Labels:
    """The labels of the run in `folder`; empty without a file, and for one that cannot be read."""
    try:
        return msgspec.json.decode(read_regular(folder / LABELS, _MAX_BYTES), type=Labels)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return Labels()


def shown_name(folder: Path, first_name: str = "") -> str:
    """The name to show of the run in `folder`: that of its labels, else the one that it was started with.

    Without a `first_name` that is the name of its folder.
    """
    return read_labels(folder).name or first_name or folder.name


def write_labels(folder: Path, labels: Labels) -> Labels:
    """Write `labels` without superfluous blanks, and return what was written.

    Raises `RunError` for labels that are too long, and when the file cannot be written.
    """
    tidy = Labels(name=" ".join(labels.name.split()), note=labels.note.strip(), tags=tidy_tags(labels.tags))
    check_labels(tidy)
    if not folder.is_dir():
        raise RunError(f"{folder} is gone")
    try:
        write_whole(folder / LABELS, msgspec.json.format(msgspec.json.encode(tidy), indent=1))
    except OSError as error:
        raise RunError(f"the labels of {folder.name} could not be written: {error.strerror}") from error
    return tidy


def check_labels(labels: Labels) -> None:
    """Raise `RunError` for a name or note that is too long."""
    for what, text, most in (("name", labels.name.strip(), MAX_NAME), ("note", labels.note.strip(), _MAX_NOTE)):
        if len(text) > most:
            raise RunError(f"a {what} has at most {most} characters, not {len(text)}")


def change_labels(
    folder: Path, *, name: str | None = None, note: str | None = None, tags: Iterable[str] | None = None
) -> Labels:
    """Change some of a run's labels and return them all; raises as `write_labels`."""
    labels = read_labels(folder)
    given = {"name": name, "note": note, "tags": None if tags is None else tuple(tags)}
    changes = {field: value for field, value in given.items() if value is not None}
    return write_labels(folder, msgspec.structs.replace(labels, **changes))


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags in their order, without duplicates and superfluous blanks; raises `RunError` for an invalid tag."""
    tidy = tuple(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    for tag in tidy:
        if len(tag) > _MAX_TAG or not re.fullmatch(r"[^,\x00-\x1f]+", tag):
            raise RunError(f"a tag has at most {_MAX_TAG} letters and no comma: {tag[:_MAX_TAG]!r}")
    if len(tidy) > _MAX_TAGS:
        raise RunError(f"a run has at most {_MAX_TAGS} tags, not {len(tidy)}")
    return tidy
