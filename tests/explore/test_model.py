"""Opening a checkpoint for questions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.checkpoints import CheckpointError, load
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.rendering import draw
from nvp_studio.recipe import Recipe, Seed
from tests.small_model import random_images, write_small_model


def test_the_opened_flow_is_the_loaded_one(model: OpenedModel, model_file: Path) -> None:
    images = random_images(5)
    assert torch.equal(model.flow.bits_per_dim(images), load(model_file).bits_per_dim(images))
    assert not model.flow.flow.training
    assert model.image_shape == (1, 8, 8)
    assert model.pixel_shape == (8, 8, 1)
    assert model.directions is not None
    assert len(model.directions) == 12
    assert len(model.reference) == 100
    assert Path(model.path) == model_file


def test_a_run_folder_opens_its_best(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    write_small_model(folder / "last.safetensors", seed=1)
    best = write_small_model(folder / "best.safetensors", seed=2)
    assert open_model(tmp_path / "run").digest == best


def test_percentile_is_the_share_of_lower_references(model: OpenedModel) -> None:
    ordered = model.reference
    assert np.all(np.diff(ordered) >= 0)
    assert model.percentile(float(ordered[0])) == 0
    assert model.percentile(float(ordered[30])) == pytest.approx(30)
    assert model.percentile(float(ordered[-1]) + 1) == 100


def test_a_model_without_directions_opens(tmp_path: Path) -> None:
    write_small_model(tmp_path / "plain.safetensors", directions=0)
    assert open_model(tmp_path / "plain.safetensors").directions is None


def test_the_last_directions_have_the_names_of_the_file(tmp_path: Path) -> None:
    write_small_model(tmp_path / "named.safetensors", directions=4, named=("glasses", "beard"))
    named = open_model(tmp_path / "named.safetensors").directions
    assert named is not None
    assert named.names == ("", "", "glasses", "beard")


def test_more_names_than_directions_name_nothing(tmp_path: Path) -> None:
    write_small_model(tmp_path / "named.safetensors", directions=1, named=("glasses", "beard"))
    named = open_model(tmp_path / "named.safetensors").directions
    assert named is not None
    assert named.names == ("",)


@pytest.mark.parametrize("name", ["", 101 * "x"])
def test_names_of_no_use_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="names that are empty or over 100"):
        write_small_model(tmp_path / "named.safetensors", named=(name,))


def test_an_offset_along_an_oblique_direction_moves_no_other_mark(tmp_path: Path) -> None:
    write_small_model(tmp_path / "named.safetensors", directions=3)
    model = open_model(tmp_path / "named.safetensors")
    assert model.directions is not None
    model.directions.components[2] = (model.directions.components[0] + model.directions.components[1]) / 2**0.5
    still, moved = (
        draw(model, [Recipe(checkpoint="", base=Seed(3), offsets=offsets)]) for offsets in ((), ((2, 1.5),))
    )
    assert moved.coordinates[0] - still.coordinates[0] == pytest.approx([0, 0, 1.5], abs=1e-4)


def test_what_is_not_a_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not a checkpoint at all")
    for path in (tmp_path / "x.safetensors", tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(CheckpointError) as caught:
            open_model(path)
        assert "\n" not in str(caught.value)
