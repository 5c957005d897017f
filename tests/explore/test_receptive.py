"""Receptive fields by gradient: equal to small differences, of the decoder and of the encoder."""

import numpy as np
import pytest
import torch

from nvp_studio.explore.ledger import dequantized
from nvp_studio.explore.receptive import ReceptiveFields
from nvp_studio.explore.rendering import draw, latent
from nvp_studio.recipe import Recipe, Seed
from tests.explore.test_ledger import opened
from tests.small_model import small_config

SHAPE = (3, 8, 8)
RECIPE = Recipe(checkpoint="", base=Seed(2))


@pytest.mark.parametrize("place", [(0, 1, 2, 3), (1, 5, 1, 0)])
def test_fields_are_the_differences_of_small_steps(place: tuple[int, int, int, int]) -> None:
    model = opened(small_config(SHAPE), torch.float64)
    fields = ReceptiveFields(model, RECIPE)
    scale, channel, row, column = place
    part = model.flow.scales[scale]
    number = part.start + int(np.ravel_multi_index((channel, row, column), part.shape))
    z = latent(model, RECIPE)
    step = torch.zeros_like(z)
    step[0, number] = 1e-5
    changed = 256 * (model.flow.decode(z + step) - model.flow.decode(z - step))[0].double() / 2e-5
    assert fields.field(*place, "decoder") == pytest.approx(changed.square().sum(0).sqrt().numpy(), rel=1e-3, abs=1e-3)
    x = dequantized(model.flow, draw(model, [RECIPE]).images, 0, 0)
    reached = fields.field(*place, "encoder")
    for y, across in ((2, 3), (7, 0)):
        slopes = []
        for colour in range(3):
            moved = torch.zeros_like(x)
            moved[0, colour, y, across] = 1e-7
            ends = [model.flow.encode(x + sign * moved)[0][0, number] for sign in (1, -1)]
            slopes.append(float(ends[0] - ends[1]) / 2e-7 / 256)
        assert reached[y, across] == pytest.approx(np.linalg.norm(slopes), rel=1e-2, abs=1e-5)


def test_the_latents_of_a_place_change_pixels_there_most() -> None:
    fields = ReceptiveFields(opened(small_config(SHAPE)), RECIPE)
    for direction in ("decoder", "encoder"):
        field = fields.field(0, 0, 0, 3, direction)
        assert field.shape == (8, 8)
        top, right = np.unravel_index(field.argmax(), field.shape)
        assert top < 4
        assert right >= 4


def test_a_latent_that_is_not_there_is_a_plain_error() -> None:
    fields = ReceptiveFields(opened(small_config(SHAPE)), RECIPE)
    with pytest.raises(ValueError, match="no scale 3"):
        fields.field(2, 0, 0, 0, "decoder")
    with pytest.raises(ValueError, match="channel 1 at x 4, y 0"):
        fields.field(0, 0, 0, 4, "encoder")
