"""What is usual in each row of the ledger: its mean and spread over reference images, measured once and kept."""

from pathlib import Path

import numpy as np
import pytest

from nvp_studio.explore.ledger import ROUNDING, ledger
from nvp_studio.explore.ledger_baseline import FILE, known_baseline, measured, needed_baseline
from nvp_studio.explore.model import open_model
from nvp_studio.scores.reference import NoReferenceError
from tests.small_model import random_images, write_small_model, write_taught_model


def test_rows_are_mean_and_spread_of_the_rows_of_single_images(tmp_path: Path) -> None:
    write_small_model(tmp_path / "small.safetensors")
    model, images = open_model(tmp_path / "small.safetensors"), random_images(20, seed=4)
    done = []
    baseline = measured(model, images, "random", lambda *report: done.append(report))
    assert done[-1] == (20, 20)
    single = np.array([[row.bits_per_dim for row in ledger(model, image).rows] for image in images])
    rows = ledger(model, images[0]).rows
    assert [row.layer for row in baseline.rows] == [row.layer for row in rows if row.layer != ROUNDING]
    assert [row.bits_per_dim for row in baseline.rows] == pytest.approx(single.mean(0)[:-1], abs=1e-5)
    assert [row.spread for row in baseline.rows] == pytest.approx(single.std(0)[:-1], abs=1e-5)
    with pytest.raises(NoReferenceError, match="no images"):
        measured(model, images[:0], "none")


def test_it_is_measured_on_the_validation_images_once_and_kept(tmp_path: Path) -> None:
    write_taught_model(tmp_path / "taught.safetensors", tmp_path / "images")
    model = open_model(tmp_path / "taught.safetensors")
    assert known_baseline(model) is None
    steps = []
    baseline = needed_baseline(model, lambda *report: steps.append(report))
    assert baseline.images == steps[-1][1] > 10
    assert known_baseline(open_model(tmp_path / "taught.safetensors")) == baseline
    again = []
    assert needed_baseline(model, lambda *report: again.append(report)) == baseline
    assert not again
    kept = tmp_path / "taught.references" / FILE
    whole = kept.read_bytes()
    for content in (b"{}", whole[:-9], b"[" * 100_000, whole.replace(model.digest.encode(), b"other")):
        kept.write_bytes(content)
        assert known_baseline(model) is None
    assert needed_baseline(model) == baseline


def test_a_model_whose_data_are_gone_says_so(tmp_path: Path) -> None:
    write_small_model(tmp_path / "small.safetensors")
    with pytest.raises(NoReferenceError, match="trained on cannot be read"):
        needed_baseline(open_model(tmp_path / "small.safetensors"))
