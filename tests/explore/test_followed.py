"""What a layer did to single values, told from the picture's way through the flow."""

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.explore.followed import FollowedPicture
from nvp_studio.explore.inspection import channel_images, inspection_of
from tests.explore.test_ledger import opened
from tests.small_model import random_images, small_config

SHAPE = (3, 8, 8)


@pytest.mark.parametrize("law", ["affine", "spline"])
@pytest.mark.parametrize("checkerboard", ["masked", "packed"])
def test_the_map_of_a_value_is_the_one_that_the_coupling_applied(law: str, checkerboard: str) -> None:
    config = msgspec.structs.replace(small_config(SHAPE), law=law, checkerboard=checkerboard)
    followed = FollowedPicture(opened(config, torch.float64), random_images(1, SHAPE)[0])
    checked = dict.fromkeys(("changes", "stays", "left"), 0)
    for index, stage in enumerate(followed.stages):
        if stage.parameters is None:
            continue
        previous = followed.stages[index - 1].values
        for row, column in ((0, 0), (3, 4), (7, 6), (2, 5)):
            for channel, cell in enumerate(followed.cells(index, row, column)):
                checked[cell.state] += 1
                place = 0, channel, row, column
                assert cell.after == float(stage.values[place])
                if cell.state != "changes":
                    assert cell.before == cell.after
                    assert not cell.x
                    continue
                assert cell.before == pytest.approx(float(previous[place]))
                assert cell.shift == pytest.approx(float(stage.parameters.shift[place]))
                assert (np.diff(cell.x) >= 0).all()
                assert (np.diff(cell.y) >= 0).all()
                near = np.interp([cell.before - 0.05, cell.before, cell.before + 0.05], cell.x, cell.y)
                assert near[1] == pytest.approx(cell.after, abs=2e-3)
                assert (near[2] - near[0]) / 0.1 == pytest.approx(cell.slope, rel=0.2)
                if law == "affine":
                    assert cell.slope == pytest.approx(np.exp(cell.scale))
                    assert not cell.knots_x
                else:
                    assert (cell.knots_x[0], cell.knots_x[-1]) == pytest.approx((-5, 5))
                    assert np.interp(cell.knots_x, cell.x, cell.y) == pytest.approx(cell.knots_y)
    assert all(checked.values())


def test_channels_are_the_tensor_of_the_layer() -> None:
    followed = FollowedPicture(opened(small_config(SHAPE)), random_images(1, SHAPE)[0])
    inspection = inspection_of(followed)
    assert channel_images(followed, 0, "values").array()[1, 2, 5, 0] == followed.pixels[2, 5, 1]
    for position, stage in enumerate(inspection.stages[1:], 1):
        channels = channel_images(followed, position, "values").array()
        assert channels.shape == (*stage.shape, 1)
        if stage.coupling < 0:
            continue
        for aspect, laid in (
            ("values", inspection.values.array()[position]),
            ("log-derivatives", inspection.log_derivatives.array()[stage.coupling]),
            ("shifts", inspection.shifts.array()[stage.coupling]),
            ("mask", inspection.masks.array()[stage.coupling]),
        ):
            single = channel_images(followed, position, aspect).array()
            assert single.shape == (*stage.shape, 1)
            assert set(np.unique(single)) <= set(np.unique(laid))
            if single.size == laid.size:
                assert (np.sort(single.ravel()) == np.sort(laid.ravel())).all()
    with pytest.raises(ValueError, match="no coupling"):
        channel_images(followed, 1, "mask")
    with pytest.raises(ValueError, match="there is no layer 1000"):
        channel_images(followed, 1000, "values")
    with pytest.raises(ValueError, match="has none at x 8, y 0"):
        followed.cells(3, 0, 8)
    with pytest.raises(ValueError, match="there is no layer"):
        followed.cells(1000, 0, 0)
