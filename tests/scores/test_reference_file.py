"""References as files: the same after reading, refused where they are not sound, found beside their model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.references import known_reference, make_reference, needed_reference, reference_names
from nvp_studio.flow.config import FlowConfig
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.scores import reference_file
from nvp_studio.scores.measures import measure
from nvp_studio.scores.reference import NoReferenceError, Reference
from nvp_studio.scores.reference_file import read_reference, write_reference
from nvp_studio.tensor_file import pack_tensors, read_tensors
from tests.small_model import random_images, small_config, write_small_model


def test_a_reference_judges_the_same_after_reading(model: OpenedModel, reference: Reference, tmp_path: Path) -> None:
    write_reference(tmp_path / "a.reference", reference)
    again = read_reference(tmp_path / "a.reference", model.flow.config)
    images = random_images(50, seed=5)
    measured = measure(model.flow, images)
    before, after = (one.judge.judge(measured, images) for one in (reference, again))
    assert after.distance == pytest.approx(before.distance, rel=1e-3, abs=1e-3)
    assert after.reasons == before.reasons
    assert np.array_equal(after.typicality, before.typicality)
    assert again.source == "random images"
    assert again.maps.limit.shape == (8, 8)
    assert (tmp_path / "a.reference").stat().st_size < 300_000


def _changed(name: str, tensors: dict[str, torch.Tensor]) -> None:
    """One of the ways in which a file may be unsound."""
    match name:
        case "missing":
            del tensors["views.values"]
        case "more":
            tensors["weights.more"] = torch.zeros(3)
        case "shape":
            tensors["coarse.components"] = tensors["coarse.components"][:, :-1].contiguous()
        case "type":
            tensors["maps.limit"] = tensors["maps.limit"].double()
        case "large":
            tensors["calibration.distance"] = torch.zeros(7000, dtype=torch.float64)
            tensors["calibration.bits_per_dim"] = torch.zeros(7000, dtype=torch.float64)
        case "nan":
            tensors["numbers.mean"][0] = torch.nan
        case "negative":
            tensors["coarse.variance"][0] = -1
        case "unsorted":
            tensors["calibration.distance"] = tensors["calibration.distance"].flip(0).contiguous()
        case "singular":
            tensors["mixture.whitening"][0, 0, 0] = 0
        case "empty":
            tensors["views.values"] = tensors["views.values"][:, :0].contiguous()


@pytest.mark.parametrize(
    "change",
    ["missing", "more", "shape", "type", "large", "nan", "negative", "unsorted", "singular", "empty"],
)
def test_unsound_files_are_refused(change: str, model: OpenedModel, reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "a.reference"
    write_reference(path, reference)
    metadata, tensors = read_tensors(path, lambda header: None)
    _changed(change, tensors)
    metadata["sha256"] = reference_file._digest(metadata, tensors)
    path.write_bytes(pack_tensors(tensors, metadata))
    with pytest.raises(NoReferenceError, match="not a usable reference"):
        read_reference(path, model.flow.config)


def test_damage_and_other_files_are_refused(model: OpenedModel, reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "a.reference"
    write_reference(path, reference)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(NoReferenceError, match="checksum"):
        read_reference(path, model.flow.config)
    with pytest.raises(NoReferenceError, match="no reference"):
        read_reference(model.path, model.flow.config)
    other: FlowConfig = small_config((3, 8, 8))
    write_reference(path, reference)
    with pytest.raises(NoReferenceError, match="does not fit the model"):
        read_reference(path, other)


def test_references_are_kept_beside_the_model_and_belong_to_its_weights(
    tmp_path: Path, in_a_folder_of_its_own: Path
) -> None:
    import PIL.Image

    path = tmp_path / "model.safetensors"
    write_small_model(path)
    opened = open_model(path)
    (tmp_path / "good").mkdir()
    for index, image in enumerate(random_images(90)):
        PIL.Image.fromarray(image[..., 0]).save(tmp_path / "good" / f"{index}.png")
    (tmp_path / "good" / "notes.png").write_bytes(b"no image")
    made = make_reference(opened, [tmp_path / "good"], "my good parts")
    assert made.images == 90
    assert (tmp_path / "model.references" / "my good parts.reference").is_file()
    assert reference_names(opened) == ["my good parts"]
    found = known_reference(opened, "my good parts")
    assert found is not None
    assert found.images == 90
    assert known_reference(opened) is None
    write_small_model(path, seed=4)
    assert known_reference(open_model(path), "my good parts") is None
    for name in ("training", "../up", "", "a" * 61):
        with pytest.raises(NoReferenceError):
            make_reference(opened, [tmp_path / "good"], name)


def test_a_folder_that_cannot_be_written_has_its_references_elsewhere(
    reference: Reference, tmp_path: Path, in_a_folder_of_its_own: Path
) -> None:
    (tmp_path / "model.references").write_text("a file in the place of the folder")
    kept = reference_file.keep_reference(reference, tmp_path / "model.safetensors")
    assert in_a_folder_of_its_own in kept.parents
    assert reference_file.names_of(tmp_path / "model.safetensors", reference.model) == ["training"]


def test_training_data_that_are_gone_are_named(
    model: OpenedModel, tmp_path: Path, in_a_folder_of_its_own: Path
) -> None:
    path = tmp_path / "alone.safetensors"
    shutil.copy(model.path, path)
    with pytest.raises(NoReferenceError, match="data that the model was trained on"):
        needed_reference(open_model(path))


@pytest.mark.parametrize("name", INCLUDED_MODELS)
def test_the_included_models_have_references_of_their_weights(name: str) -> None:
    """`python -m benchmarks.pack_model --references` makes them, after new weights were packed."""
    found = known_reference(open_model(name))
    assert found is not None
    assert len(found.judge.calibration) >= 999
    assert found.judge.least_rate <= 0.001
