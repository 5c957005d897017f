"""Of a flow over grey levels an 8-bit image's bits/dim are its exact code length."""

import pytest
import torch

from nvp_studio.flow import images_from_unit, unit_from_images
from nvp_studio.flow.engine.inference import Inference
from tests.small_model import moved_flow, random_images, small_pyramid


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 8, 8)])
def test_bits_per_dim_do_not_depend_on_the_noise_within_levels(shape: tuple[int, int, int]) -> None:
    flow = Inference(moved_flow(small_pyramid(shape)).double())
    images = torch.from_numpy(random_images(8, shape))
    scores = torch.stack([flow.bits_per_dim(images, samples, seed) for samples, seed in ((1, 0), (1, 1), (3, 2))])
    torch.testing.assert_close(scores, scores[:1].expand_as(scores), rtol=0, atol=1e-12)
    low, high = (flow.log_prob(unit_from_images(images, noise)) for noise in (0.01, 0.99))
    torch.testing.assert_close(low, high, rtol=0, atol=1e-8)


def test_what_noise_moves_in_z_stays_within_the_levels_of_its_own_value() -> None:
    flow = Inference(moved_flow(small_pyramid()).double())
    images = torch.from_numpy(random_images(4, (3, 8, 8)))
    z = flow.encode(unit_from_images(images, 0.25))[0]
    other = flow.encode(unit_from_images(images, 0.75))[0]
    chosen = torch.rand(z.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    assert torch.equal(images_from_unit(flow.decode(torch.where(chosen, z, other))), images)
