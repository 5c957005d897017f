"""Locks on files: one holder at a time, released when its process ends, told when there can be none."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataError
from nvp_studio.locks import LockFile, is_locked
from nvp_studio.training.errors import RunError
from nvp_studio.training.lock import RunLockedError, run_lock

HOLD = """
import pathlib, sys
from nvp_studio.locks import LockFile
with LockFile(pathlib.Path(sys.argv[1])) as lock:
    print(lock.try_lock(), flush=True)
    sys.stdin.read()
"""


def test_a_lock_has_one_holder_who_is_named_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().split() == [b"True"]
        assert is_locked(path)
        with LockFile(path) as lock:
            assert not lock.try_lock()
            assert lock.holder().startswith(f"process {holder.pid} since 20")
        holder.kill()
        holder.wait()
    assert not is_locked(path)
    with LockFile(path) as lock:
        assert lock.try_lock()
        assert lock.holder().startswith(f"process {os.getpid()} since 20")


def test_two_locks_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with LockFile(path) as one, LockFile(path) as other:
        assert one.try_lock()
        assert not other.try_lock()
    with LockFile(path) as other:
        assert other.try_lock()


def test_a_lock_file_whose_holder_could_not_be_written_names_none(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with LockFile(tmp_path / "lock") as lock:
        assert lock.holder() == "another process"


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of Unix")
@pytest.mark.parametrize(
    ("number", "said"),
    [
        *((number, "the file system of .* does not support locks") for number in (errno.ENOLCK, errno.EOPNOTSUPP)),
        *((number, "the file system of .* does not support locks") for number in (errno.ENOSYS, errno.EINVAL)),
        *((number, "the file .*lock cannot be locked") for number in (errno.EACCES, errno.EPERM, errno.EIO)),
    ],
)
def test_a_lock_that_cannot_be_had_is_no_other_trainer(
    number: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    run, images = tmp_path / "run", tmp_path / "images"
    run.mkdir()
    images.mkdir()
    for place in range(3):
        Image.fromarray(np.full((2, 2), place, np.uint8)).save(images / f"{place}.png")
    monkeypatch.setattr("fcntl.flock", refuse)
    said += f" \\({os.strerror(number)}\\)"
    with pytest.raises(RunError, match=f"{said}.*another disk") as caught, run_lock(run):
        pass
    assert not isinstance(caught.value, RunLockedError)
    assert not is_locked(run / "run.lock")
    with pytest.raises(DataError, match=f"{said}.*NVP_STUDIO_CACHE"):
        load_data(str(images))
