"""Changes of learning rate and stop conditions while a run trains, each with the step after which it was made.

They are lines of ``changes.jsonl``, flushed to the disk before they take effect, so that a run resumed from an earlier
checkpoint makes them again at the same steps. Lines are only ever added: a line replaces earlier ones of its kind that
belong to the same or later steps. Another process requests a change by writing ``wish.json``.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from nvp_studio.files import flush_file, flush_folder, read_regular, write_whole
from nvp_studio.training.bounds import check_bounds
from nvp_studio.training.config import StopRules
from nvp_studio.training.errors import RunError

CHANGES = "changes.jsonl"
REQUEST_FILE = "wish.json"
_MAX_BYTES = 20_000_000
_MAX_REQUEST_BYTES = 10_000
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


class ChangeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; None leaves it as it is."""

    learning_rate: float | None = None
    stop: StopRules | None = None

    def __post_init__(self) -> None:
        check_bounds(self)


def now() -> str:
    """This moment, ISO 8601 with time zone."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def in_force(changes: Iterable[RunChange]) -> tuple[RunChange, ...]:
    """The changes that hold, sorted by step, from all lines in the order in which they were written."""
    kept: list[RunChange] = []
    for change in changes:
        kept = [one for one in kept if type(one) is not type(change) or one.step < change.step]
        kept.append(change)
    return tuple(sorted(kept, key=lambda one: one.step))


def read_changes(folder: Path) -> tuple[RunChange, ...]:
    """The changes that hold for the run in `folder`; damaged lines are skipped."""
    decoder = msgspec.json.Decoder(RunChange)
    changes: list[RunChange] = []
    try:
        lines = read_regular(folder / CHANGES, _MAX_BYTES).split(b"\n")
    except OSError:
        return ()
    for line in lines:
        with suppress(msgspec.MsgspecError, RecursionError):
            changes.append(decoder.decode(line))
    return in_force(changes)


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
            flush_file(descriptor)
            if new:
                flush_folder(folder)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def request_change(folder: Path, request: ChangeRequest) -> None:
    """Request a change from another process: a run that trains takes it within seconds, another when it is resumed.

    It is merged with an earlier request that was not taken yet. Raises `RunError` when it cannot be written.
    """
    earlier = _read_request(folder) or ChangeRequest()
    given = {name: value for name in ChangeRequest.__struct_fields__ if (value := getattr(request, name)) is not None}
    try:
        write_whole(folder / REQUEST_FILE, msgspec.json.encode(msgspec.structs.replace(earlier, **given)))
    except OSError as error:
        raise RunError(f"{folder.name} cannot be asked for a change: {error.strerror}") from error


def take_request(folder: Path) -> ChangeRequest | None:
    """Read and remove the request for the run in `folder`; None when there is none, or none that can be read."""
    request = _read_request(folder)
    try:
        (folder / REQUEST_FILE).unlink()
    except OSError:
        return None  # or it would be applied again and again
    return request


def _read_request(folder: Path) -> ChangeRequest | None:
    """The request in `folder`; None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(read_regular(folder / REQUEST_FILE, _MAX_REQUEST_BYTES), type=ChangeRequest)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


class ChangeHistory:
    """The changes of a run: which learning rate and stop conditions hold for a step, and recording of new ones."""

    def __init__(self, folder: Path, learning_rate: float, rules: StopRules) -> None:
        self._folder = folder
        self._learning_rate = learning_rate
        self._rules = rules
        self.changes = read_changes(folder)

    def learning_rate(self, step: int) -> float:
        """The highest learning rate of the schedule for step number `step`, from 1."""
        rates = [one.learning_rate for one in self.changes if isinstance(one, RateChange) and one.step < step]
        return rates[-1] if rates else self._learning_rate

    def rules(self, step: int) -> StopRules:
        """The conditions that may end the run after step number `step`."""
        rules = [one.rules for one in self.changes if isinstance(one, StopChange) and one.step < step]
        return rules[-1] if rules else self._rules

    def stop_rules_changed_since(self, step: int) -> bool:
        """Whether stop conditions were changed at `step` or later, so that an end by earlier ones no longer holds."""
        return any(isinstance(change, StopChange) and change.step >= step for change in self.changes)

    def make(self, request: ChangeRequest, step: int) -> None:
        """Write the changes from the step after `step` on, then let them take effect.

        Raises `OSError`, and nothing has changed then.
        """
        changes: list[RunChange] = []
        if request.learning_rate is not None:
            changes.append(RateChange(step, request.learning_rate))
        if request.stop is not None:
            changes.append(StopChange(step, request.stop))
        record_changes(self._folder, *changes)
        self.changes = in_force((*self.changes, *changes))
