"""Where the bits are: the map of an image sums up to its code length, and a place is where its terms are."""

import msgspec
import numpy as np
import pytest
import torch

from nvp_studio.flow.config import PRESETS, FlowConfig, preset_config
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.ledger import Ledger, gradient
from nvp_studio.flow.noise import content_noise
from tests.small_model import moved_flow, random_images, small_config, small_pyramid


def _moved_flow(config: FlowConfig, dtype: torch.dtype = torch.float32) -> Inference:
    return Inference(moved_flow(config).to(dtype))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 16, 16), torch.float64), ((3, 8, 16), torch.float32)],
    ids=["grey float64", "colour float32"],
)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_map_of_every_preset_sums_up_to_the_code_length(
    preset: str, shape: tuple[int, int, int], dtype: torch.dtype
) -> None:
    config = msgspec.structs.replace(preset_config(preset, shape), width=8)
    flow, images = _moved_flow(config, dtype), random_images(2, shape, seed=5)
    bits = Ledger(flow).bits(images)
    assert bits.by_scale.shape == (2, config.scales, *shape[1:])
    expected = flow.bits_per_dim(images).numpy() * config.dimensions
    assert bits.total.sum((1, 2)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("shape", [(1, 7, 9), (3, 6, 10)], ids=["odd", "one halving"])
def test_sides_that_cannot_be_halved(shape: tuple[int, int, int]) -> None:
    scales = 1 if shape[1] % 2 else 2
    flow = _moved_flow(msgspec.structs.replace(small_config(), image_shape=shape, scales=scales))
    images = random_images(3, shape)
    expected = flow.bits_per_dim(images, seed=4).numpy() * flow.config.dimensions
    assert Ledger(flow).bits(images, seed=4).total.sum((1, 2)) == pytest.approx(expected, abs=1e-4)


def test_the_parts_of_the_scales_are_those_of_their_latents_and_layers() -> None:
    flow = _moved_flow(preset_config("quick", (1, 16, 16)), torch.float64)
    images = random_images(4)[:, :8, :8].repeat(2, 1).repeat(2, 2)
    x = unit_from_images(torch.from_numpy(images), torch.from_numpy(content_noise(images, 0, 0)).double())
    y, pixels = flow.preprocessing(x)
    dimensions = flow.config.dimensions
    for index, (latent, (z, log_det)) in enumerate(zip(flow.scales, flow.body.by_scale(y), strict=True)):
        nats = -0.5 * (z.square() + np.log(2 * np.pi)).sum(1) + log_det
        nats += (latent.stop - latent.start) / dimensions * (pixels - dimensions * np.log(256))
        part = Ledger(flow).bits(images).by_scale[:, index].sum((1, 2))
        assert part == pytest.approx((-nats / np.log(2)).numpy(), abs=1e-6)


def test_without_mixing_of_channels_each_term_stays_at_its_pixel() -> None:
    """The transform of one value, in a flow whose networks see nothing, moves bits at that value's pixel alone."""
    flow = _moved_flow(msgspec.structs.replace(small_config(), mixing="none", normalization="none"), torch.float64)
    with torch.no_grad():
        for name, parameter in flow.flow.named_parameters():
            if "network" in name:
                parameter.zero_()
    ledger, images = Ledger(flow), random_images(1)
    changed = images.copy()
    changed[0, 2, 5] ^= 64
    x, other = (unit_from_images(torch.from_numpy(one), 0.5).double() for one in (images, changed))
    moved = (ledger._terms(x) - ledger._terms(other)).abs().sum(1)[0]
    assert moved[2, 5] > 0.01
    moved[2, 5] = 0
    assert moved.max() < 1e-9


def test_the_bits_of_a_level_are_at_the_scale_whose_latent_the_value_is() -> None:
    """Under mixtures over grey levels each pixel has its whole code length at one scale, and none at the others."""
    flow, images = _moved_flow(small_pyramid()), random_images(2, (3, 8, 8))
    bits = Ledger(flow).bits(images).by_scale
    assert bits.min() >= 0
    assert ((bits > 0).sum(1) == 1).all()
    held = (bits > 0).sum((2, 3))
    assert (held == [latent.stop // 3 - latent.start // 3 for latent in flow.scales]).all()


def test_mixed_channels_share_their_terms_within_the_block() -> None:
    """One value changed: behind squeezes its terms are shared within its block of pixels."""
    flow = _moved_flow(preset_config("quick", (1, 16, 16)), torch.float64)
    with torch.no_grad():
        for name, parameter in flow.flow.named_parameters():
            if "network" in name:
                parameter.zero_()
    flow = Inference(flow.flow)
    ledger, images = Ledger(flow), random_images(1, (1, 16, 16))
    changed = images.copy()
    changed[0, 5, 6] ^= 64
    x, other = (unit_from_images(torch.from_numpy(one), 0.5).double() for one in (images, changed))
    moved = (ledger._terms(x) - ledger._terms(other)).abs().sum(1)[0]
    assert moved[4:6, 6:8].min() > 0
    moved[4:6, 6:8] = 0
    assert moved.max() < 1e-9


def test_the_gradient_is_the_slope_of_the_log_density() -> None:
    flow = _moved_flow(small_config((3, 8, 8)), torch.float64)
    images = random_images(2, (3, 8, 8))
    slope = gradient(flow, images)
    assert slope.shape == images.shape
    x = unit_from_images(torch.from_numpy(images), torch.from_numpy(content_noise(images, 0, 0)).double())
    step = torch.zeros_like(x)
    step[:, 2, 3, 4] = 1e-6
    expected = (flow.log_prob(x + step) - flow.log_prob(x - step)) / 2e-6 / 256
    assert slope[:, 3, 4, 2] == pytest.approx(expected.numpy(), rel=1e-3)
