"""A session of Explore as a file: the model, the steps of the history, the ends of blend and corners, the open tool."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from nvp_studio.files import read_regular, write_whole
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import Recipe, Source
from nvp_studio.text import one_line

SUFFIX = ".nvps"
MAX_STEPS = 500
_MAX_TITLE = 200
_MAX_READ = 64 * 2**20
_MAX_WRITTEN = 16 * 2**20
"""Bytes of a file: where there are more, the oldest steps are left out."""


class StoredStep(msgspec.Struct, frozen=True):
    """A picture of the history."""

    title: Annotated[str, msgspec.Meta(max_length=_MAX_TITLE)]
    """What was done; empty for the first one."""
    recipe: Recipe


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds, as JSON."""

    nvp_studio_session: Literal[1] = 1
    """The kind of file, and its version."""
    model: PathText = ""
    """What the model was opened by; empty: the included one that opens first."""
    model_name: Name = ""
    digest: Name
    """SHA-256 of the model's file."""
    steps: Annotated[tuple[StoredStep, ...], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]
    current: Annotated[int, msgspec.Meta(ge=0, lt=MAX_STEPS)] = 0
    """Number of the step that was shown."""
    blend: tuple[Source | None, Source | None] = (None, None)
    corners: tuple[Source | None, Source | None, Source | None, Source | None] = (None,) * 4
    tool: Name = ""
    """The tool that was open; empty: none."""

    def __post_init__(self) -> None:
        if self.current >= len(self.steps):
            raise ValueError(f"step {self.current} is said to be shown, and there are {len(self.steps)}")

    @property
    def recipe(self) -> Recipe:
        """The picture that was shown."""
        return self.steps[self.current].recipe


def bounded(steps: Sequence[StoredStep], current: int, size: int = _MAX_WRITTEN) -> tuple[tuple[StoredStep, ...], int]:
    """The newest steps that fit into so many bytes, `current` always, and its number among them."""
    first, total = len(steps), 0
    for place in range(len(steps) - 1, -1, -1):
        total += len(msgspec.json.encode(steps[place]))
        if place < current and (total > size or len(steps) - place > MAX_STEPS):
            break
        first = place
    last = min(len(steps), first + MAX_STEPS)
    return tuple(steps[first:last]), current - first


def encoded(session: Session) -> bytes:
    """The content of a session's file."""
    return msgspec.json.encode(session)


def write_session(path: Path, session: Session) -> None:
    """Write the file; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encoded(session))


def read_session(path: Path) -> Session:
    """Read a file of unknown origin; raises `OSError`, and `ValueError` with one line where it is no session."""
    try:
        session = msgspec.json.decode(read_regular(path, _MAX_READ), type=Session)
        msgspec.msgpack.encode(session)  # whole numbers in JSON have no bound, those of messages have
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise ValueError(one_line(error)) from error
    return session


def for_model(session: Session, digest: str) -> Session:
    """The session with its pictures drawn by other weights."""
    steps = tuple(StoredStep(step.title, replace(step.recipe, checkpoint=digest)) for step in session.steps)
    return replace(session, digest=digest, steps=steps)
