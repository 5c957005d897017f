"""Files that an earlier version wrote open as they did then (`tests/earlier/README.md`).

Figures are compared within what single precision allows on any processor, not to the bit.
"""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from typer.testing import CliRunner

import nvp_studio
from nvp_studio.checkpoints import CheckpointError, read_checkpoint
from nvp_studio.cli import app, main
from nvp_studio.data.images import read_image
from nvp_studio.explore.inspection import inspect_picture
from nvp_studio.explore.model import open_model
from nvp_studio.explore.pictures import read_picture
from nvp_studio.explore.rendering import draw, render
from nvp_studio.recipe import Blend, Recipe
from nvp_studio.runs.compare import open_for_comparison
from nvp_studio.runs.history import RunHistory, read_history
from nvp_studio.state.stored_session import Arrangement, read_session
from nvp_studio.training import resume_run
from nvp_studio.training.errors import RunError
from nvp_studio.training.runs import list_runs, read_metrics, read_record
from tests.small_model import random_images

EARLIER = Path(__file__).parent / "earlier"
MODELS: dict[str, Any] = json.loads((EARLIER / "models" / "expected.json").read_text())
PICTURES: dict[str, Any] = json.loads((EARLIER / "pictures" / "expected.json").read_text())


@pytest.mark.parametrize("name", MODELS)
def test_a_model_scores_encodes_and_decodes_as_it_did(name: str) -> None:
    expected = MODELS[name]
    flow = nvp_studio.load(EARLIER / "models" / f"{name}.safetensors")
    images = random_images(4, flow.config.image_shape, seed=5)
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 256 + 0.5 / 256
    z, log_det = flow.encode(x)
    assert flow.bits_per_dim(images).tolist() == pytest.approx(expected["bits_per_dim"], abs=1e-4)
    assert log_det.tolist() == pytest.approx(expected["log_det"], abs=0.01)
    assert z[0].tolist() == pytest.approx(expected["z_first"], abs=1e-3)
    decoded = flow.decode(flow.latents(2, 0.8, seed=3)).flatten(1)[:, :32]
    assert decoded.flatten().tolist() == pytest.approx(np.ravel(expected["decoded"]).tolist(), abs=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_a_ledger_that_is_its_score(name: str) -> None:
    model = open_model(EARLIER / "models" / f"{name}.safetensors")
    image = random_images(4, model.image_shape, seed=5)[0]
    inspection = inspect_picture(model, image)
    assert inspection.ledger.bits_per_dim == pytest.approx(MODELS[name]["bits_per_dim"][0], abs=1e-4)
    assert sum(row.bits_per_dim for row in inspection.ledger.rows) == pytest.approx(inspection.ledger.bits_per_dim)
    assert len(inspection.stages) == len(inspection.ledger.rows)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("mixture", "mixture couplings (law=mixture)"),
        ("attention", "networks with self-attention (network=attention)"),
        ("orthogonal", "orthogonal mixing of channels (mixing=orthogonal)"),
        ("permutation", "mixing by fixed permutations (mixing=permutation)"),
        ("arctan", "the arctan clamp (clamp=arctan)"),
    ],
)
def test_a_model_with_a_removed_option_is_refused_by_name(name: str, option: str) -> None:
    with pytest.raises(CheckpointError, match=re.escape(f"made with {option}, which this version no longer has")):
        nvp_studio.load(EARLIER / "models" / f"refused-{name}.safetensors")


def test_a_run_with_a_removed_option_is_listed_and_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "earlier"
    shutil.copytree(EARLIER / "runs" / "earlier", folder)
    record = json.loads((folder / "run.json").read_text())
    record["config"]["flow"]["network"] = "attention"
    (folder / "run.json").write_text(json.dumps(record))
    assert [run.name for run in list_runs(tmp_path)] == ["earlier"]
    for use in (read_record, resume_run):
        with pytest.raises(RunError, match=r"networks with self-attention .* no longer has"):
            use(folder)
    shown = CliRunner().invoke(app, ["runs", "show", str(folder), "--json"])
    assert json.loads(shown.stdout)["record"]["config"]["flow"] is None
    assert open_for_comparison(folder).history.last is not None
    like = CliRunner().invoke(app, ["train", "--like", str(folder)])
    assert isinstance(like.exception, RunError)
    assert "networks with self-attention" in str(like.exception)


@pytest.mark.parametrize("name", PICTURES)
def test_a_recipe_and_the_picture_that_carries_it_give_the_same_image(name: str) -> None:
    folder = EARLIER / "pictures"
    model = open_model(EARLIER / "models" / "spline.safetensors")
    recipe = Recipe.from_json((folder / f"recipe-{name}.json").read_text())
    found = read_picture(model, folder / f"picture-{name}.png")
    assert found.had_recipe
    assert found.recipe == recipe
    rendering = render(model, [recipe])
    expected = PICTURES[name]
    levels = np.array(expected["image"]).reshape(rendering.images[0].shape)
    assert np.abs(rendering.images[0].astype(int) - levels).max() <= 1
    assert rendering.coordinates[0] == pytest.approx(expected["coordinates"], abs=1e-3)
    with PIL.Image.open(folder / f"picture-{name}.png") as picture:
        assert np.array_equal(np.asarray(picture)[::2, ::2], levels)


def test_latents_decode_to_the_images_that_were_encoded() -> None:
    flow = nvp_studio.load(EARLIER / "models" / "spline.safetensors")
    with np.load(EARLIER / "pictures" / "latents.npz") as archive:
        z = torch.from_numpy(archive["z"])
    found = (flow.decode(z) * 256).floor().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    for image, path in zip(found, sorted((EARLIER / "pictures" / "images").iterdir()), strict=True):
        assert np.array_equal(image, read_image(path, flow.config.image_shape).pixels)


def test_files_score_as_they_did() -> None:
    model = open_model(EARLIER / "models" / "spline.safetensors")
    rows = csv.DictReader((EARLIER / "pictures" / "scores.csv").read_text().splitlines())
    for row in rows:
        image = read_image(EARLIER / "pictures" / row["path"], model.image_shape).pixels
        assert model.flow.bits_per_dim(image[None]).item() == pytest.approx(float(row["bits_per_dim"]), abs=1e-4)


def stored_keys(run: Path) -> set[str]:
    """The keys of what the last checkpoint says of the run."""
    return set(json.loads(read_checkpoint(run / "checkpoints" / "last.safetensors").resume))


def test_a_run_is_read_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "earlier"
    shutil.copytree(EARLIER / "runs" / "earlier", folder)
    before = list(read_metrics(folder))
    assert [row.step for row in before] == list(range(1, 13))
    assert read_record(folder).status.test == 4.6356731741367545
    history: RunHistory = read_history(folder)
    assert history.best is not None
    keys = stored_keys(folder)
    assert {"guard", "watch"} < keys
    resume_run(folder, steps=14)
    assert stored_keys(folder) == keys | {"scoring", "sample_gap"}, "which an earlier version reads: it ignores others"
    record = read_record(folder)
    assert (record.status.phase, record.status.step) == ("finished", 14)
    after = list(read_metrics(folder))
    assert [row.step for row in after] == list(range(1, 15))
    assert after[:11] == before[:11]
    assert nvp_studio.load(folder).config == record.config.flow


def test_a_run_of_a_removed_optimizer_is_shown_and_explored_but_not_trained(tmp_path: Path) -> None:
    folder = tmp_path / "refused-adamax"
    shutil.copytree(EARLIER / "runs" / "refused-adamax", folder)
    assert [(run.name, run.state) for run in list_runs(tmp_path)] == [("refused-adamax", "finished")]
    assert len(read_metrics(folder)) == 3
    assert nvp_studio.load(folder).config == read_record(folder).config.flow
    before = (folder / "run.json").read_bytes()
    for budget in ({}, {"steps": 9}):
        with pytest.raises(
            RunError, match=r"^the optimizer adamax was removed from this program; start a new run with muon or adam$"
        ):
            resume_run(folder, **budget)
    assert (folder / "run.json").read_bytes() == before


def test_a_run_like_one_of_a_removed_optimizer_wants_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--like", str(EARLIER / "runs" / "refused-adamax"), "--runs", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "nvp-studio: the optimizer adamax was removed from this program; start a new run with muon or adam\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_session_of_explore_has_its_steps_and_says_nothing_of_what_came_later() -> None:
    session = read_session(EARLIER / "pictures" / "session.nvps")
    model = open_model(EARLIER / "models" / "spline.safetensors")
    assert session.digest == model.digest
    assert [step.title for step in session.steps] == ["", "temperature", "opening own.png", "blend"]
    assert session.recipe == Recipe.from_json((EARLIER / "pictures" / "recipe-image.json").read_text())
    assert session.steps[3].recipe.base == Blend(*session.blend, 0.25)
    assert (session.current, session.tool) == (2, "scales")
    assert (session.region, session.animation) == (None, None)
    assert session.compared == (None, None)
    assert session.arrangement == Arrangement()
    draw(model, [step.recipe for step in session.steps])
