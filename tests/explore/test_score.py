"""Scores of files: one row each, whatever the file; a stream, however many."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from nvp_studio.data.decode_child import AHEAD
from nvp_studio.data.decoding import MAX_PROCESSES
from nvp_studio.explore.model import OpenedModel
from nvp_studio.explore.pictures import read_picture
from nvp_studio.explore.score import score_batches, score_files
from tests.data.test_sources import write_tar, write_zip
from tests.small_model import random_images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, image in enumerate(random_images(10)):
        PIL.Image.fromarray(image[..., 0]).save(tmp_path / f"{index}.png")
    return tmp_path


def test_files_score_what_the_flow_says(folder: Path, model: OpenedModel) -> None:
    rows = list(score_files(model, [folder], batch_size=4))
    assert [os.path.basename(row.path) for row in rows] == [f"{index}.png" for index in range(10)]
    expected = model.flow.bits_per_dim(random_images(10)).numpy()
    assert [row.bits_per_dim for row in rows] == pytest.approx(expected, abs=1e-5)
    for row, image in zip(rows, random_images(10), strict=True):
        assert np.array_equal(row.pixels.array()[0], image)
        assert row.bits_per_dim is not None
        assert row.percentile == model.percentile(row.bits_per_dim)
        assert row.error == ""


def test_samples_and_seed_reach_the_bound(folder: Path, model: OpenedModel) -> None:
    one, other = ([row.bits_per_dim for row in score_files(model, [folder], seed=seed)] for seed in (0, 1))
    assert one != other
    many = [row.bits_per_dim for row in score_files(model, [folder], samples=8)]
    assert many == pytest.approx(model.flow.bits_per_dim(random_images(10), samples=8).numpy(), abs=1e-5)


def test_unreadable_files_get_a_row_with_the_reason(folder: Path, model: OpenedModel) -> None:
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:60])
    (folder / "5.png").write_bytes(b"")
    rows = {os.path.basename(row.path): row for row in score_files(model, [folder, folder / "gone.png"], batch_size=3)}
    assert len(rows) == 11
    for name in ("3.png", "5.png", "gone.png"):
        assert rows[name].error
        assert "\n" not in rows[name].error
        assert rows[name].bits_per_dim is None
        assert rows[name].percentile is None
    assert sum(row.bits_per_dim is not None for row in rows.values()) == 8


def test_conversions_are_named(tmp_path: Path, model: OpenedModel) -> None:
    PIL.Image.new("RGBA", (30, 20), (10, 20, 30, 40)).save(tmp_path / "a.png")
    (row,) = score_files(model, [tmp_path / "a.png"])
    assert row.bits_per_dim is not None
    assert any("30x20" in note for note in row.notes)


def test_batches_follow_size_and_patience(folder: Path, model: OpenedModel) -> None:
    assert [len(batch) for batch in score_batches(model, [folder], batch_size=4) if batch] == [4, 4, 2]
    assert [len(batch) for batch in score_batches(model, [folder], batch_size=4, patience=0) if batch] == [1] * 10


def test_cancelling_ends_the_stream(folder: Path, model: OpenedModel) -> None:
    seen: list[str] = []
    for row in score_files(model, [folder], batch_size=2, cancelled=lambda: len(seen) >= 4):
        seen.append(row.path)
    assert len(seen) == 4


def test_paths_are_taken_a_bounded_number_ahead(folder: Path, model: OpenedModel) -> None:
    """Neither paths nor images pile up."""
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield folder / f"{taken % 10}.png"

    rows = score_files(model, endless(), batch_size=5)
    for _ in range(23):
        next(rows)
    assert 25 <= taken < 25 + 4 * AHEAD * MAX_PROCESSES
    rows.close()


@pytest.mark.parametrize(("samples", "batch_size"), [(0, 4), (1, 0), (-1, 1), (10**6, 1)])
def test_senseless_numbers_are_refused(folder: Path, model: OpenedModel, samples: int, batch_size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        list(score_files(model, [folder], samples=samples, batch_size=batch_size))


def test_nothing_gives_nothing(tmp_path: Path, model: OpenedModel) -> None:
    assert list(score_files(model, [])) == []
    assert list(score_files(model, [tmp_path])) == []


def test_importing_the_package_is_light() -> None:
    code = "import sys, nvp_studio.explore; sys.exit(any(name in sys.modules for name in ('torch', 'PySide6')))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.gz"])
def test_an_archive_scores_like_its_folder(
    folder: Path, model: OpenedModel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = {path.name: path.read_bytes() for path in folder.iterdir()}
    archive = (write_zip if name.endswith("zip") else write_tar)(folder / name, inside | {"broken.png": b""})
    monkeypatch.setattr("nvp_studio.data.archives._PATIENCE_SECONDS", 0)
    batches = list(score_batches(model, [folder, archive], batch_size=4))
    rows = [row for batch in batches for row in batch]
    assert [row.path for row in rows[10:]] == [str(archive / one) for one in sorted([*inside, "broken.png"])]
    alike = partial(pytest.approx, rel=1e-6)  # in batches of other sizes
    assert [row.bits_per_dim for row in rows[10:20]] == alike([row.bits_per_dim for row in rows[:10]])
    assert rows[20].error == "the file is empty"
    assert [len(batch) for batch in batches if batch] == [4, 4, 4, 4, 4, 1]
    assert len(batches) > 16  # control comes back while the index is read

    (again,) = score_files(model, [rows[12].path])
    assert (again.path, again.bits_per_dim) == (rows[12].path, alike(rows[12].bits_per_dim))
    opened = read_picture(model, rows[12].path)
    assert bytes(opened.recipe.base.pixels) == rows[12].pixels.array().tobytes()
