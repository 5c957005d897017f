"""A session of Explore as a file: the model, the history, what its tools hold, and how the page is arranged."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from nvp_studio.explore.animation import Animation
from nvp_studio.files import read_regular, write_whole
from nvp_studio.limits import Name, PathText
from nvp_studio.recipe import Recipe, Source
from nvp_studio.text import one_line

SUFFIX = ".nvps"
MAX_STEPS = 500
_MAX_TITLE = 200
MAX_SEARCH = 200
"""Characters."""
_MAX_READ = 256 * 2**20
_MAX_WRITTEN = 16 * 2**20
"""Bytes of all steps: where there are more, the oldest ones are left out."""
_MAX_SIDE = 1024
Scale = Annotated[int, msgspec.Meta(ge=0, lt=64)]
Direction = Annotated[int, msgspec.Meta(ge=0, lt=4096)]
Side = Annotated[int, msgspec.Meta(ge=1, le=_MAX_SIDE)]


class StoredStep(msgspec.Struct, frozen=True):
    """A picture of the history."""

    title: Annotated[str, msgspec.Meta(max_length=_MAX_TITLE)]
    """What was done; empty for the first one."""
    recipe: Recipe

    @staticmethod
    def of(title: str, recipe: Recipe) -> "StoredStep":
        """The picture, its title cut to the length that a file may have."""
        return StoredStep(title[:_MAX_TITLE], recipe)


class StoredRegion(msgspec.Struct, frozen=True):
    """Which pixels are painted to be redrawn. Raises `ValueError` where there are not as many bits as pixels."""

    shape: tuple[Side, Side]
    """(H, W)."""
    bits: Annotated[bytes, msgspec.Meta(max_length=_MAX_SIDE**2 // 8)]
    """One bit for each pixel, row after row, the first in the highest bit of the first byte."""

    def __post_init__(self) -> None:
        if len(self.bits) != -(-self.shape[0] * self.shape[1] // 8):
            raise ValueError(f"a painted region of shape {self.shape} does not have {len(self.bits)} bytes")


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """How the page is arranged, beside the open tool."""

    comparing: bool = False
    """Whether A and B are shown beside a divider."""
    original: bool = False
    """Whether the original is shown beside the picture."""
    directions: Literal["model", "local", "own"] = "model"
    """Whose directions are shown."""
    order: Literal["names", "variance", "effect"] = "names"
    """By what the model's directions are sorted."""
    search: Annotated[str, msgspec.Meta(max_length=MAX_SEARCH)] = ""
    previews: bool = False
    """Whether each slider has its previews below it."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds, as JSON."""

    nvp_studio_session: Literal[1] = 1
    """The kind of file, and its version."""
    model: PathText = ""
    """What the model was opened by; empty: the included one that opens first."""
    model_name: Name = ""
    digest: Name
    """SHA-256 of the model's file."""
    step: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None
    """Of the model's run; None: the file does not say."""
    steps: Annotated[tuple[StoredStep, ...], msgspec.Meta(min_length=1, max_length=MAX_STEPS)]
    current: Annotated[int, msgspec.Meta(ge=0, lt=MAX_STEPS)] = 0
    """Number of the step that was shown."""
    blend: tuple[Source | None, Source | None] = (None, None)
    corners: tuple[Source | None, Source | None, Source | None, Source | None] = (None,) * 4
    tool: Name = ""
    """The tool that was open; empty: none."""
    compared: tuple[StoredStep | None, StoredStep | None] = (None, None)
    """Pictures that were chosen as A and B of a comparison."""
    locked_scales: Annotated[tuple[Scale, ...], msgspec.Meta(max_length=64)] = ()
    """Scales that new samples leave as they are."""
    drawn: Annotated[tuple[tuple[Direction, float], ...], msgspec.Meta(max_length=4096)] = ()
    """(direction, standard deviations): where random directions led to last."""
    region: StoredRegion | None = None
    """What is painted and not yet redrawn; None: the file does not say."""
    animation: Animation | None = None
    """None: the file does not say."""
    arrangement: Arrangement = Arrangement()

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
    """The content of a session's file; raises `OSError` where it is too large to be opened again."""
    content = msgspec.json.encode(session)
    if len(content) > _MAX_READ:
        raise OSError(errno.EFBIG, f"it would have {len(content):,} bytes, and the most are {_MAX_READ:,}")
    return content


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

    def drawn(step: StoredStep) -> StoredStep:
        return StoredStep(step.title, replace(step.recipe, checkpoint=digest))

    a, b = (drawn(one) if one is not None else None for one in session.compared)
    return replace(session, digest=digest, steps=tuple(map(drawn, session.steps)), compared=(a, b))
