"""A shim over the file operations of a run: it counts them, lets the n-th fail, and keeps what a kill would leave.

`Disk.install` puts it between the operating system and every module that writes into a run folder. A fault is an
`OSError` at one operation or at all from there on. For kills nothing is thrown: before each operation, and in the
middle of each write, `Recorder` copies the run folder as a process killed there would leave it, and as a power cut
would: what was not flushed is cut off, and with ``lost`` names that were not flushed either are as they were. One run
gives the states of all n; of those that are the same to whoever resumes, the first is kept.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import nvp_studio.files
import nvp_studio.locks
import nvp_studio.training.changes
import nvp_studio.training.checkpoint_folder
import nvp_studio.training.journal

_MODULES = (
    nvp_studio.files,
    nvp_studio.locks,
    nvp_studio.training.changes,
    nvp_studio.training.checkpoint_folder,
    nvp_studio.training.journal,
)


class Disk:
    """Counts operations; `fail_at` (from 1) fails with `error`, and with `for_ever` so does everything after it.

    Reading, closing and removing never fail for want of room, so that `for_ever` is a full disk.
    """

    def __init__(self, fail_at: int | None = None, *, error: int = errno.ENOSPC, for_ever: bool = False) -> None:
        self.operations: list[str] = []
        self.failed = 0
        self._fail_at, self._error, self._for_ever = fail_at, error, for_ever
        self._paths: dict[int, Path] = {}

    @staticmethod
    def reason(error: int) -> str:
        """What the system says of an error."""
        return os.strerror(error)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for module in _MODULES:
            patch.setattr(module, "os", _System(self))
        patch.setattr(nvp_studio.files, "open", self._open_file, raising=False)

    def before(self, what: str, path: Path, torn: Callable[[], object] | None = None) -> None:
        """Count an operation, and raise when it is its turn; `torn` leaves a part of a write behind."""
        self.operations.append(f"{what} {path.name}")
        number = len(self.operations)
        turn = number == self._fail_at or (self._for_ever and self._fail_at is not None and number > self._fail_at)
        if turn:
            self.failed += 1
            if torn is not None:
                torn()
            raise OSError(self._error, os.strerror(self._error), str(path))

    def done(self, what: str, path: Path, *others: Path) -> None:
        """An operation went well."""

    # The operations

    def _open_file(self, path: Path, mode: str) -> "_File":
        self.before("create", path)
        file = _File(self, path, mode)
        self._paths[file.fileno()] = path
        self.done("create", path)
        return file

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        target = Path(path)
        reading = not flags & (os.O_WRONLY | os.O_RDWR)  # which a full disk does not hinder
        new = not target.exists()
        if not reading:
            self.before("open", target)
        descriptor = os.open(target, flags, mode)
        self._paths[descriptor] = target
        if not reading:
            self.done("create" if new else "open", target)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        path = self._paths[descriptor]
        half = data[: len(data) // 2]
        try:
            self.before("write", path)
        except OSError:
            # A disk that becomes full takes a part first; one that fails once takes nothing.
            if self._for_ever and self.failed == 1 and half:
                return os.write(descriptor, half)
            raise
        count = os.write(descriptor, data)
        self.done("write", path)
        return count

    def fsync(self, descriptor: int) -> None:
        path = self._paths[descriptor]
        self.before("fsync", path)
        os.fsync(descriptor)
        self.done("fsync", path)

    def replace(self, source: Any, target: Any) -> None:
        one, other = Path(source), Path(target)
        self.before("replace", other)
        self.done("replacing", one, other)
        os.replace(one, other)
        self._paths = {number: other if path == one else path for number, path in self._paths.items()}
        self.done("replace", one, other)

    def link(self, source: Any, target: Any) -> None:
        self.before("link", Path(target))
        os.link(source, target)
        self.done("link", Path(source), Path(target))

    def unlink(self, path: Any) -> None:
        os.unlink(path)
        self.done("unlink", Path(path))


class _System:
    """The module `os` with the operations that can fail."""

    def __init__(self, disk: Disk) -> None:
        self.open, self.write, self.fsync = disk.open, disk.write, disk.fsync
        self.replace, self.link, self.unlink = disk.replace, disk.link, disk.unlink

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class _File:
    """A file opened for writing, without a buffer of its own."""

    def __init__(self, disk: Disk, path: Path, mode: str) -> None:
        self._disk, self._path = disk, path
        self._file = open(path, mode, buffering=0)  # noqa: SIM115 - closed by whoever opened this
        self.fileno, self.close = self._file.fileno, self._file.close

    def write(self, data: bytes) -> None:
        half = len(data) // 2
        self._disk.before("write", self._path, torn=lambda: self._file.write(data[:half]))
        self._file.write(data[:half])
        self._disk.done("half", self._path)
        self._file.write(data[half:])
        self._disk.done("write", self._path)

    def flush(self) -> None:
        """There is no buffer."""

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


@dataclass
class State:
    """A copy of the run folder at one moment."""

    number: int
    """Of the operation before which, or in the middle of which, the process ends."""
    what: str
    kind: str
    """``killed``, ``cut`` (data not flushed are lost) or ``lost`` (names not flushed are lost as well)."""
    folder: Path
    promised: int
    """Step of the newest ``last`` that the run had told of by then; -1 before the first."""


@dataclass
class _Pending:
    """A change of a name that its folder was not flushed after."""

    folder: Path
    undo: Callable[[Path], None]
    """Takes it back in a copy of the run folder."""


@dataclass
class _Unflushed:
    sizes: dict[Path, int] = field(default_factory=dict)
    """By path relative to the run folder: how much of a file is flushed."""
    names: list[_Pending] = field(default_factory=list)


class Recorder(Disk):
    """Lets everything through and keeps the states that differ; `promise` is told of each checkpoint."""

    def __init__(self, run_folder: Path, copies: Path) -> None:
        super().__init__()
        self.promised = -1
        self.states: list[State] = []
        self._run_folder, self._copies = run_folder, copies
        self._unflushed = _Unflushed()
        self._seen: set[tuple[object, ...]] = set()

    def before(self, what: str, path: Path, torn: Callable[[], object] | None = None) -> None:
        super().before(what, path, torn)
        self._keep(f"before {self.operations[-1]}")

    def done(self, what: str, path: Path, *others: Path) -> None:
        unflushed = self._unflushed
        here = self._relative(path)
        match what:
            case "half":
                self._keep(f"in the middle of {self.operations[-1]}")
            case "create":
                unflushed.sizes[here] = 0
                unflushed.names.append(_Pending(path.parent, lambda copy: _remove(copy / here)))
            case "open":
                unflushed.sizes.setdefault(here, path.stat().st_size)
            case "fsync" if path.is_dir():
                unflushed.names = [one for one in unflushed.names if one.folder != path]
            case "fsync":
                unflushed.sizes[here] = path.stat().st_size
            case "replacing":
                unflushed.names.append(self._renaming(path, others[0]))
            case "replace":
                target = self._relative(others[0])
                unflushed.sizes[target] = unflushed.sizes.pop(here, others[0].stat().st_size)
            case "link":
                target = self._relative(others[0])
                unflushed.sizes[target] = unflushed.sizes.get(here, path.stat().st_size)
                unflushed.names.append(_Pending(path.parent, lambda copy: _remove(copy / target)))
            case "unlink":
                unflushed.sizes.pop(here, None)

    def _renaming(self, source: Path, target: Path) -> _Pending:
        one, other = self._relative(source), self._relative(target)
        new, old = source.read_bytes(), target.read_bytes() if target.exists() else None

        def undo(copy: Path) -> None:
            (copy / one).write_bytes(new)
            if old is None:
                _remove(copy / other)
            else:
                (copy / other).write_bytes(old)

        return _Pending(target.parent, undo)

    def _keep(self, what: str) -> None:
        number = len(self.operations)
        if not self._is_new(self._run_folder) and not self._at_risk():
            return
        for kind in ("killed", "cut", "lost"):
            copy = self._copies / f"{number:04d}-{kind}-{len(self.states)}"
            shutil.copytree(self._run_folder, copy)
            if kind != "killed":
                for path, size in self._unflushed.sizes.items():
                    if (copy / path).exists():
                        os.truncate(copy / path, min(size, (copy / path).stat().st_size))
            if kind == "lost":
                for pending in reversed(self._unflushed.names):
                    pending.undo(copy)
            if not self._is_new(copy):
                shutil.rmtree(copy)
                continue
            self._seen.add((self.promised, *_content(copy)))
            self.states.append(State(number, what, kind, copy, self.promised))

    def _is_new(self, folder: Path) -> bool:
        return (self.promised, *_content(folder)) not in self._seen

    def _at_risk(self) -> bool:
        """Whether a power cut would leave something else than a kill."""
        sizes = self._unflushed.sizes.items()
        names = [(self._run_folder / path, size) for path, size in sizes if path.suffix != ".tmp"]
        return bool(self._unflushed.names) or any(path.stat().st_size > size for path, size in names if path.exists())

    def _relative(self, path: Path) -> Path:
        return path.relative_to(self._run_folder)


def _content(folder: Path) -> Iterator[object]:
    """What tells two states apart for whoever resumes: all but the log, and leftovers only by being there."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".tmp":
            yield "leftover"
        elif path.is_file() and path.name not in ("log.txt", "run.lock"):
            yield str(path.relative_to(folder)), path.read_bytes()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
