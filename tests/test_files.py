"""Writing files whole: the old content or the new, whatever happens in between."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import nvp_studio
from nvp_studio.data.row_writer import Plan, Row, pixels_path, write_rows
from nvp_studio.files import flush_folder, read_regular, remove_leftovers, stream_whole, write_whole
from nvp_studio.training.changes import CHANGES, RateChange, record_changes
from nvp_studio.training.journal import Journal


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"one")
    write_whole(path, memoryview(b"two"))
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_an_error_while_streaming_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")

    def fail_half_way() -> None:
        with stream_whole(path) as file:
            file.write(b"new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "file", b"x")


def test_a_folder_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match="file"):
        write_whole(tmp_path / "file", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on Unix alone")
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES])
def test_a_folder_that_cannot_be_flushed_is_said_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    forbid_flushing_folders(monkeypatch, number)
    write_whole(tmp_path / "file", b"one")
    assert (tmp_path / "file").read_bytes() == b"one"
    assert flush_folder(tmp_path) == os.strerror(number)


@pytest.mark.skipif(os.name != "posix", reason="folders are flushed on Unix alone")
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_disk_that_fails_to_flush_a_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    forbid_flushing_folders(monkeypatch, number)
    with pytest.raises(OSError, match=os.strerror(number)):
        write_whole(tmp_path / "file", b"one")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_files_are_written_where_nothing_can_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    write_whole(tmp_path / "file", b"one")
    assert (tmp_path / "file").read_bytes() == b"one"
    journal = Journal(tmp_path / "journal")
    journal.append(b"a line\n")
    journal.flush()
    journal.close()
    assert journal.trouble == ""
    record_changes(tmp_path, RateChange(40, 0.5))
    assert len((tmp_path / CHANGES).read_bytes().splitlines()) == 1
    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
    plan = Plan("two", (1, 2, 2), np.zeros(2, np.uint8), lambda first: (Row(image) for image in images[first:]))
    assert write_rows(tmp_path, "key", plan, lambda done, total, text: None).taken == 2
    assert pixels_path(tmp_path, "key").read_bytes() == images.tobytes()


def test_a_disk_that_fails_to_flush_a_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write_whole(tmp_path / "file", b"one")


def test_only_one_module_flushes_to_the_disk() -> None:
    package = Path(nvp_studio.__file__).parent
    assert [path.name for path in package.rglob("*.py") if "os.fsync(" in path.read_text("utf-8")] == ["files.py"]


def forbid_flushing_folders(monkeypatch: pytest.MonkeyPatch, number: int = errno.EINVAL) -> None:
    """Refuse what CIFS and some of FUSE refuse."""
    flush = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)


LIMITED = """
import resource, sys
from nvp_studio.files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(sys.argv[1], b"n" * 5000)
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.name != "posix", reason="a limit of POSIX")
def test_a_disk_that_refuses_leaves_the_old_file_and_no_part_of_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"o" * 5000)
    done = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "File too large\n"
    assert path.read_bytes() == b"o" * 5000
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


ENDLESS = """
import sys
from nvp_studio.files import write_whole
number = 0
while True:
    write_whole(sys.argv[1], bytes([number % 251]) * 200_000)
    number += 1
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="a signal of POSIX")
def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"\0" * 100_000)
    done = threading.Event()
    parts: list[int] = []

    def read() -> None:
        while not done.is_set():
            content = path.read_bytes()
            if len(content) != 100_000 or len(set(content)) != 1:
                parts.append(len(content))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(40):
            write_whole(path, bytes([number]) * 100_000)
    finally:
        done.set()
        reader.join()
    assert parts == []


def test_the_file_that_is_replaced_stays_under_another_name(tmp_path: Path) -> None:
    path, before = tmp_path / "file", tmp_path / "before"
    for content in (b"one", b"two", b"three"):
        write_whole(path, content, keep=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"three", b"two")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "before"}


def test_two_names_of_one_file_are_told_apart_at_the_next_writing(tmp_path: Path) -> None:
    """As a process leaves them that is killed between the two renamings."""
    path, before = tmp_path / "file", tmp_path / "before"
    write_whole(path, b"one")
    os.link(path, before)
    write_whole(path, b"two", keep=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"two", b"one")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "before"}


def test_a_file_system_without_links_keeps_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path, before = tmp_path / "file", tmp_path / "before"
    for content in (b"one", b"two"):
        write_whole(path, content, keep=before)
    assert (path.read_bytes(), before.read_bytes()) == (b"two", b"one")


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".file.0123abcd.tmp", ".file.tmp", "file.0123abcd.tmp", "file"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / ".folder.0123abcd.tmp").mkdir()
    assert remove_leftovers(tmp_path, but=("file",)) == 0
    assert remove_leftovers(tmp_path) == 1
    assert not (tmp_path / ".file.0123abcd.tmp").exists()
    assert len(list(tmp_path.iterdir())) == 4
    assert remove_leftovers(tmp_path / "nowhere") == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_only_regular_files_within_bounds_are_read(tmp_path: Path) -> None:
    path, pipe = tmp_path / "file", tmp_path / "pipe"
    path.write_bytes(b"12345")
    os.mkfifo(pipe)
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="too large"):
        read_regular(path, 4)
    for other in (pipe, tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match=r"not a regular file|a folder, not a file"):
            read_regular(other, 5)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "none", 5)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_devices_and_pipes_are_never_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    for place in (pipe, link):
        with pytest.raises(OSError, match="not a regular file"):
            write_whole(place, b"refused")
        write_whole(place, b"given", devices=True)
        assert os.read(reader, 100) == b"given"
    os.close(reader)
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert {entry.name for entry in tmp_path.iterdir()} == {"pipe", "link"}
