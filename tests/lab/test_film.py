"""Animations of Lab as files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.lab.film import Frame, film_suffixes, write_film
from nvp_studio.training.errors import RunError


def frames(count: int = 5) -> Iterator[Frame]:
    for number in range(count):
        frame = np.full((20, 30, 3), 255, np.uint8)
        frame[:, : 5 * number] = (200, 30, 30)
        yield frame


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_frames_come_back_from_their_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"film.{form}"
    assert write_film(path, frames(), 10) == 5
    with PIL.Image.open(path) as image:
        assert image.n_frames == 5  # type: ignore[attr-defined]
        for number, frame in enumerate(frames()):
            image.seek(number)
            np.testing.assert_allclose(np.asarray(image.convert("RGB")).astype(int), frame.astype(int), atol=60)


def test_without_ffmpeg_there_is_no_mp4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert film_suffixes() == (".gif", ".webp")
    with pytest.raises(RunError, match="ffmpeg, which was not found"):
        write_film(tmp_path / "film.mp4", frames(), 10)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="the program that stands for ffmpeg is a shell script")
def test_ffmpeg_gets_all_frames_and_its_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / "ffmpeg"
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    program.write_text('#!/bin/sh\nfor last; do :; done\ncat > "$last"\n')
    program.chmod(0o755)
    path = tmp_path / "film.mp4"
    write_film(path, frames(), 10)
    assert path.read_bytes() == b"".join(frame.tobytes() for frame in frames())
    program.write_text("#!/bin/sh\ncat > /dev/null\necho no such codec >&2\nexit 1\n")
    with pytest.raises(RunError, match="no such codec"):
        write_film(tmp_path / "other.mp4", frames(), 10)
    assert not (tmp_path / "other.mp4").exists()


def test_nothing_and_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing to animate"):
        write_film(tmp_path / "film.gif", frames(0), 10)
    with pytest.raises(RunError, match=r"not film\.avi"):
        write_film(tmp_path / "film.avi", frames(), 10)
