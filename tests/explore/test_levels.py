"""What is told of a model of mixtures over grey levels, and what is refused for it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nvp_studio.explore.cells import Cell
from nvp_studio.explore.followed import FollowedPicture
from nvp_studio.explore.health import examine
from nvp_studio.explore.inspected import LEFT, STAYS
from nvp_studio.explore.inspection import channel_images, inspection_of
from nvp_studio.explore.local_directions import find_local_directions
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.nudge import step_density
from nvp_studio.explore.receptive import ReceptiveFields
from nvp_studio.explore.rendering import draw
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.ledger import Ledger, gradient
from nvp_studio.flow.enlarging import enlarged
from nvp_studio.recipe import Image, Recipe, Seed
from nvp_studio.scores.overlays import MapMaker
from nvp_studio.scores.reference import MapRange
from tests.explore.test_ledger import opened
from tests.small_model import random_images, small_pyramid, write_small_model

SHAPE = (3, 8, 8)


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    path: Path = tmp_path_factory.mktemp("pyramid") / "pyramid.safetensors"
    write_small_model(path, config=small_pyramid(SHAPE))
    return open_model(path)


@pytest.mark.parametrize("shape", [(1, 8, 8), SHAPE])
def test_the_map_of_a_value_is_that_of_its_colour_given_those_before(shape: tuple[int, int, int]) -> None:
    model = opened(small_pyramid(shape), torch.float64)
    followed = FollowedPicture(model, random_images(1, shape)[0])
    checked = dict.fromkeys(("changes", "stays", "left"), 0)
    for index, stage in enumerate(followed.stages):
        if stage.parameters is None:
            continue
        for row in range(8):
            for column in range(8):
                for channel, cell in enumerate(followed.cells(index, row, column)):
                    checked[cell.state] += 1
                    place = 0, channel, row, column
                    assert cell.after == float(stage.values[place])
                    if cell.state == "changes":
                        check_curve(cell, int(followed.pixels[row, column, channel]))
                        assert cell.slope == pytest.approx(float(stage.parameters.log_derivative[place].exp()))
                    else:
                        assert not cell.x
                        assert not cell.components
    assert checked["changes"] == followed.pixels.size
    assert checked["stays"]
    assert checked["left"]


def check_curve(cell: Cell, level: int) -> None:
    """The curve of a value of this grey level meets it, rises, and its heights are probabilities."""
    assert cell.components == 3
    assert int(cell.before * 256) == level
    assert (cell.x[0], cell.x[-1]) == (0, 1)
    assert (np.diff(cell.x) > 0).all()
    assert (np.diff(cell.y) >= 0).all()
    below, above = np.searchsorted(cell.x, cell.before, "right") - 1, np.searchsorted(cell.x, cell.before)
    assert cell.y[below] - 1e-9 <= cell.after <= cell.y[above] + 1e-9
    ends = np.interp([level / 256, (level + 1) / 256], cell.x, cell.y)
    share = float(np.diff(torch.special.ndtr(torch.tensor(ends)).numpy())[0])
    assert cell.probability == pytest.approx(share, rel=1e-6, abs=1e-12)
    assert np.interp(cell.knots_x, cell.x, cell.y) == pytest.approx(cell.knots_y)


def test_stages_of_a_pyramid_are_described_as_what_they_are() -> None:
    followed = FollowedPicture(opened(small_pyramid()), random_images(1, SHAPE)[0])
    inspection = inspection_of(followed)
    assert [one.layer for one in inspection.stages[:3]] == ["pixels", "dequantization", "squeeze 1 of scale 1"]
    masks = inspection.masks.array()
    for position, stage in enumerate(inspection.stages):
        if stage.layer.startswith("squeeze"):
            assert (stage.low, stage.high) == (0, 1)
        if stage.coupling < 0:
            assert (stage.mask, stage.law, stage.flops) == ("", "", 0)
            continue
        assert (stage.mask, stage.law) == ("pixels", "levels")
        assert stage.scale_range == 12
        with pytest.raises(ValueError, match="mixture over grey levels: it has no shifts"):
            channel_images(followed, position, "shifts")
        seen = channel_images(followed, position, "inputs").array()
        grey = channel_images(followed, position, "mask").array()
        assert (seen[grey != STAYS] == 128).all()
        layer = followed.stages[position - 1].layer
        assert isinstance(layer, Coupling)
        channels, height, width = layer.mask.network_shape
        pixels = channels * height * width
        masked = layer.mask.network_shape[0] == 4 and stage.scale == 2  # with a channel that says which are seen
        assert int((grey == STAYS).sum()) <= pixels - masked * height * width
        weights = sum(one.weight.numel() for one in layer.network.modules() if isinstance(one, torch.nn.Conv2d))
        assert stage.flops == 2 * weights * height * width
    assert (masks[-1] == STAYS).sum() == 0  # the first pixel is transformed given nothing
    assert (masks[-1] == LEFT).sum() == 3 * 63


def test_steep_grey_levels_are_no_fault_and_decoding_is_checked() -> None:
    model = opened(small_pyramid())
    coupling = next(one for one in model.flow.flow.body.scales[0].modules() if isinstance(one, Coupling))
    with torch.no_grad():  # the first colour's components: as narrow as they may be
        coupling.network.leave.bias.view(-1, coupling.mask.changes // 3)[6:9] = 50.0
    health = examine(model, random_images(4, SHAPE))
    couplings = [one for one in health.layers if one.layer.startswith("coupling")]
    assert couplings[0].slope_low is not None
    assert couplings[0].slope_low < 1 / 100
    assert not health.findings
    assert all(one.saturated is None and one.outside is None for one in couplings)
    assert max(one.inverse_error or 0 for one in health.layers) < 1e-6


def test_the_bits_of_pixels_add_up_to_the_score(pyramid: OpenedModel) -> None:
    images = random_images(3, SHAPE)
    bits = Ledger(pyramid.flow).bits(images)
    assert bits.by_scale.shape == (3, 2, 8, 8)
    scores = pyramid.flow.bits_per_dim(torch.from_numpy(images)).numpy()
    assert bits.total.sum((1, 2)) / 192 == pytest.approx(scores, abs=1e-9)
    other = Ledger(pyramid.flow).bits(images, seed=1)
    assert other.total.sum((1, 2)) == pytest.approx(bits.total.sum((1, 2)), abs=1e-7)


def test_what_needs_gradients_or_other_sizes_is_refused_in_one_line(pyramid: OpenedModel) -> None:
    recipe = Recipe(checkpoint=pyramid.digest, base=Seed(1))
    with pytest.raises(ValueError, match="has no gradient in pixels"):
        step_density(pyramid, recipe, "x")
    with pytest.raises(ValueError, match="no Jacobian"):
        find_local_directions(pyramid, recipe)
    with pytest.raises(ValueError, match="no gradient"):
        gradient(pyramid.flow, random_images(1, SHAPE))
    with pytest.raises(ValueError, match="knows the places of pixels"):
        enlarged(pyramid.flow.flow, 2)
    with pytest.raises(ValueError, match="knows the places of pixels"):
        draw(pyramid, [Recipe(checkpoint=pyramid.digest, base=Seed(1), enlarged=2)])


def test_a_map_for_a_report_has_no_panel_of_gradients(pyramid: OpenedModel) -> None:
    image = random_images(1, SHAPE)
    ranges = MapRange(low=np.zeros(3), high=np.ones(3), limit=np.ones((8, 8)))
    (picture,) = MapMaker(pyramid.flow, ranges).pictures(image)
    assert picture.startswith(b"\x89PNG")


def test_receptive_fields_are_the_pixels_that_depend_on_each_other(pyramid: OpenedModel) -> None:
    base = Image((8, 8, 3), random_images(1, SHAPE)[0].tobytes(), "x")
    fields = ReceptiveFields(pyramid, Recipe(checkpoint=pyramid.digest, base=base))
    first = fields.field(1, 0, 0, 0, "encoder")  # the top left pixel, which depends on nothing
    assert (first > 0).sum() == 1
    assert first[0, 0] > 0
    assert (fields.field(1, 0, 0, 0, "decoder") > 0).sum() > 32
