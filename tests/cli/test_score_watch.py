"""`score --watch` in a process of its own: files that arrive, change, are half-written, and a folder that vanishes."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import PIL.Image
import pytest

from tests.small_model import random_images

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="ends the process by SIGINT"),
    pytest.mark.slow,
    pytest.mark.timeout(300),
]
SECONDS = 200


@pytest.fixture
def watcher(model: Path, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that watches `photos`, which is not there yet, and writes `out.csv`."""
    words = ["score", tmp_path / "photos", "--watch", "--every", "0.1", "--reference", "none", "-m", model]
    command = [sys.executable, "-m", "nvp_studio", *map(str, words), "--csv", str(tmp_path / "out.csv")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    yield process
    process.kill()
    process.communicate()


def _picture(path: Path, seed: int) -> bytes:
    """Write a picture beside `path` and return its bytes."""
    PIL.Image.fromarray(random_images(1, seed=seed)[0, ..., 0]).save(path.with_suffix(".tmp"), "PNG")
    content = path.with_suffix(".tmp").read_bytes()
    path.with_suffix(".tmp").unlink()
    return content


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _until(process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def test_files_are_scored_as_they_arrive(watcher: "subprocess.Popen[str]", tmp_path: Path) -> None:
    folder, out = tmp_path / "photos", tmp_path / "out.csv"

    def names() -> list[str]:
        return [Path(row["path"]).name for row in _rows(out)]

    _until(watcher, out.exists)
    folder.mkdir()
    (folder / "a.png").write_bytes(_picture(folder / "a.png", 1))
    _until(watcher, lambda: names() == ["a.png"])
    whole = _picture(folder / "b.png", 2)
    (folder / "b.png").write_bytes(whole[: len(whole) // 2])
    (folder / "c.png").write_bytes(_picture(folder / "c.png", 3))
    _until(watcher, lambda: "c.png" in names())
    if "b.png" not in names():  # else this machine was slower than the watcher's patience
        (folder / "b.png").write_bytes(whole)
        _until(watcher, lambda: "b.png" in names())
    folder.rename(tmp_path / "gone")
    (tmp_path / "gone" / "a.png").write_bytes(_picture(tmp_path / "gone" / "a.png", 4))
    (tmp_path / "gone").rename(folder)
    _until(watcher, lambda: names().count("a.png") == 2)
    (folder / "d.png").write_bytes(b"never a picture")
    _until(watcher, lambda: "d.png" in names())
    watcher.send_signal(signal.SIGINT)
    _, err = watcher.communicate(timeout=SECONDS)
    rows = _rows(out)
    assert watcher.returncode == 1, err  # a file could not be read
    last = {Path(row["path"]).name: row for row in rows}
    assert {name: bool(row["error"]) for name, row in last.items() if name != "b.png"} == {
        "a.png": False,
        "c.png": False,
        "d.png": True,
    }
    a = [row for row in rows if Path(row["path"]).name == "a.png"]
    assert a[0]["content"] != a[1]["content"]
    assert a[0]["bits_per_dim"] != a[1]["bits_per_dim"]
