"""What was changed in a run on its way: learning rate and stop conditions, each with the step that it came after.

They stand in ``changes.jsonl``, flushed to the disk before they take effect, so that a run that goes on from an earlier
checkpoint makes them again at the same steps. Lines are only ever added: a line takes the place of earlier ones of its
kind that belong to later steps. ``wish.json`` is how another process asks for a change.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from nvp_studio.files import flush_folder, read_regular, write_whole
from nvp_studio.training.errors import RunError
from nvp_studio.training.stopping import StopRules

CHANGES = "changes.jsonl"
WISH = "wish.json"
_MOST_BYTES = 20_000_000
_MOST_WISH_BYTES = 10_000
_APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


class RateChange(msgspec.Struct, frozen=True, tag="learning-rate"):
    """From the step after `step` on, the schedule's highest learning rate is this one."""

    step: int
    learning_rate: float


class StopChange(msgspec.Struct, frozen=True, tag="stop"):
    """From the step after `step` on, the run ends by these rules."""

    step: int
    rules: StopRules


class Restart(msgspec.Struct, frozen=True, tag="restart"):
    """The run went on from `step` in another process."""

    step: int
    at: str = ""
    """ISO 8601 with time zone."""


RunChange = RateChange | StopChange | Restart


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be changed; None leaves it as it is."""

    learning_rate: float | None = None
    stop: StopRules | None = None

    def __post_init__(self) -> None:
        if self.learning_rate is not None and not 0 < self.learning_rate <= 10:
            raise ValueError(f"the learning rate must be positive and at most 10, not {self.learning_rate}")


def now() -> str:
    """This moment, ISO 8601 with time zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def in_force(changes: Iterable[RunChange]) -> tuple[RunChange, ...]:
    """The changes that stand, by step, from all lines in the order in which they were written."""
    kept: list[RunChange] = []
    for change in changes:
        kept = [one for one in kept if type(one) is not type(change) or one.step < change.step]
        kept.append(change)
    return tuple(sorted(kept, key=lambda one: one.step))


def read_changes(folder: Path) -> tuple[RunChange, ...]:
    """The changes in force of the run in `folder`; lines that are damaged are passed over."""
    decoder = msgspec.json.Decoder(RunChange)
    found: list[RunChange] = []
    try:
        lines = read_regular(folder / CHANGES, _MOST_BYTES).split(b"\n")
    except OSError:
        return ()
    for line in lines:
        try:
            found.append(decoder.decode(line))
        except (msgspec.MsgspecError, RecursionError):
            continue
    return in_force(found)


def record_changes(folder: Path, *changes: RunChange) -> None:
    """Add their lines, and return once they are on the disk; an `OSError` leaves the file as it was."""
    path = folder / CHANGES
    new = not path.exists()
    descriptor = os.open(path, _APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        lines = b"".join(msgspec.json.encode(change) + b"\n" for change in changes)
        if size:
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":
                lines = b"\n" + lines  # the line before was cut short
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
            os.fsync(descriptor)
            if new:
                flush_folder(folder)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def leave_wish(folder: Path, wish: Wish) -> None:
    """Ask for a change from outside: a run that goes takes it within seconds, another one when it goes on.

    What an earlier wish that was not taken yet asks for is still asked for, unless this one says otherwise.
    """
    try:
        earlier = _read_wish(folder) or Wish()
    except OSError:
        earlier = Wish()
    said = {name: value for name in Wish.__struct_fields__ if (value := getattr(wish, name)) is not None}
    try:
        write_whole(folder / WISH, msgspec.json.encode(msgspec.structs.replace(earlier, **said)))
    except OSError as error:
        raise RunError(f"{folder.name} cannot be told: {error.strerror}") from error


def take_wish(folder: Path) -> Wish | None:
    """The wish left for the run in `folder`, which is gone then; None when there is none that can be understood."""
    try:
        wish = _read_wish(folder)
    except OSError:
        return None
    try:
        (folder / WISH).unlink()
    except OSError:
        return None  # or it would be granted again and again
    return wish


def _read_wish(folder: Path) -> Wish | None:
    """The wish that waits in `folder`, None when it is not understood; raises `OSError` when there is none."""
    content = read_regular(folder / WISH, _MOST_WISH_BYTES)
    try:
        return msgspec.json.decode(content, type=Wish)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


class Course:
    """The changes of a run as its loop needs them: what holds at a step, and a new one from the present step on."""

    def __init__(self, folder: Path, learning_rate: float, rules: StopRules) -> None:
        self._folder = folder
        self._learning_rate = learning_rate
        self._rules = rules
        self.changes = read_changes(folder)

    def learning_rate(self, step: int) -> float:
        """The highest learning rate of the schedule for step number `step`, from 1."""
        found = self._learning_rate
        for change in self.changes:
            if isinstance(change, RateChange) and change.step < step:
                found = change.learning_rate
        return found

    def rules(self, step: int) -> StopRules:
        """By which rules the run ends with step number `step`."""
        found = self._rules
        for change in self.changes:
            if isinstance(change, StopChange) and change.step < step:
                found = change.rules
        return found

    def renewed(self, step: int) -> bool:
        """Whether the rules were given anew at `step` or later, so that an end by earlier ones is not the last word."""
        return any(isinstance(change, StopChange) and change.step >= step for change in self.changes)

    def record(self, *changes: RunChange) -> None:
        """Write changes and let them take effect; an `OSError` leaves all as it was."""
        record_changes(self._folder, *changes)
        self.changes = in_force((*self.changes, *changes))
