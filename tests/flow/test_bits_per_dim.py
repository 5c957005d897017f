"""Bits per dimension against answers known in closed form."""

import math

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from nvp_studio.flow import Flow, FlowConfig, Inference, images_from_unit, preset_config, unit_from_images
from nvp_studio.flow.flow import bits_per_dim_from_log_prob
from nvp_studio.flow.noise import content_noise
from tests.flow.jacobian import perturb, train_a_little


def untouched_flow(shape: tuple[int, int, int]) -> Inference:
    """A flow that is the logit alone: couplings start as the identity, no normalization."""
    return Inference(Flow(FlowConfig(image_shape=shape, scales=1, normalization="none", width=2, blocks=0)).double())


def random_images(count: int, height: int, width: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def expected_bits_of_the_logit(alpha: float) -> float:
    """E over uniform x of -log2 of the density (per value, in units of 1/256) of the logit flow, by quadrature."""
    x = (np.arange(2_000_000) + 0.5) / 2_000_000
    p = alpha + (1 - 2 * alpha) * x
    y = np.log(p) - np.log1p(-p)
    log_density = -0.5 * y**2 - 0.5 * math.log(2 * math.pi) + math.log(1 - 2 * alpha) - np.log(p) - np.log1p(-p)
    return float((math.log(256) - log_density.mean()) / math.log(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_uniform_bytes_under_the_identity_flow(channels: int) -> None:
    scores = untouched_flow((channels, 8, 8)).bits_per_dim(random_images(4000, 8, 8, channels))
    expected = expected_bits_of_the_logit(0.05)
    error = scores.std() / math.sqrt(len(scores))
    assert abs(scores.mean().item() - expected) < 4 * error
    assert 4 * error < 0.01
    assert expected > 8


@pytest.mark.slow
@pytest.mark.parametrize("normalization", ["actnorm", "batch"])
def test_uniformly_random_images_cost_at_least_8_bits_under_any_trained_model(normalization: str) -> None:
    torch.manual_seed(0)
    config = FlowConfig(image_shape=(1, 8, 8), scales=2, width=8, blocks=1, normalization=normalization)
    flow = Inference(train_a_little(Flow(config), steps=30))
    assert flow.bits_per_dim(random_images(500, 8, 8, 1)).mean() >= 8


@pytest.mark.parametrize("shape", [(1, 6, 10), (3, 8, 8)])
def test_a_pyramid_of_mixtures_scores_an_image_the_same_with_any_noise(shape: tuple[int, int, int]) -> None:
    """Its density is flat within the levels of an image, those of its other pixels and colours included."""
    torch.manual_seed(0)
    flow = Flow(msgspec.structs.replace(preset_config("pyramid", shape), width=6, pieces=3)).double()
    perturb(flow)
    images = random_images(5, shape[1], shape[2], shape[0])
    first, *others = (Inference(flow).bits_per_dim(images, seed=seed) for seed in range(3))
    for other in others:
        torch.testing.assert_close(other, first, rtol=0, atol=1e-9)


def test_uniform_model_scores_eight() -> None:
    assert bits_per_dim_from_log_prob(torch.zeros(3), 17).tolist() == [8, 8, 8]


def test_probabilities_of_all_images_of_one_pixel_sum_to_at_most_one() -> None:
    """The bound gives each 8-bit image at most its probability; summed over all levels at most 1, and nearly 1."""
    torch.manual_seed(0)
    flow = Inference(
        train_a_little(Flow(FlowConfig(image_shape=(1, 1, 1), scales=1, width=4, blocks=1)).double(), steps=20)
    )
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    one = torch.exp2(-flow.bits_per_dim(levels, samples=1)).sum().item()
    many = torch.exp2(-flow.bits_per_dim(levels, samples=100)).sum().item()
    assert one <= 1 + 1e-3
    assert 0.5 < many <= 1 + 1e-3  # the rest of the mass lies beyond [0, 1]


def test_four_level_toy_sums_to_at_most_one() -> None:
    """One pixel of four grey levels (256 / 64): the integral over each quarter is its probability."""
    torch.manual_seed(0)
    flow = Inference(
        train_a_little(Flow(FlowConfig(image_shape=(1, 1, 1), scales=1, width=4, blocks=1)).double(), steps=20)
    )
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    with torch.no_grad():
        probabilities = [torch.exp(flow.log_prob(((level + u) / 4).view(-1, 1, 1, 1))).mean() / 4 for level in range(4)]
    assert all(probability > 0 for probability in probabilities)
    assert 0.5 < sum(probabilities) <= 1 + 1e-9


def test_bits_per_dim_is_the_formula_on_dequantized_images() -> None:
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(3, 4, 4), width=4, blocks=1)).double()))
    images = random_images(5, 4, 4, 3)
    noise = torch.from_numpy(content_noise(images, 7, 0)).double()
    x = (torch.from_numpy(images).double() + noise).permute(0, 3, 1, 2) / 256
    with torch.no_grad():
        log_prob = flow.log_prob(x)
    expected = -(log_prob / 48 - math.log(256)) / math.log(2)
    torch.testing.assert_close(flow.bits_per_dim(images, seed=7), expected)


def test_grey_and_colour_count_their_dimensions() -> None:
    grey = random_images(300, 4, 4, 1)
    colour = np.repeat(grey, 3, axis=3)
    a = untouched_flow((1, 4, 4)).bits_per_dim(grey).mean()
    b = untouched_flow((3, 4, 4)).bits_per_dim(colour).mean()
    assert a.item() == pytest.approx(b.item(), abs=0.02)


def test_scores_do_not_depend_on_the_batch() -> None:
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1)).double()))
    images = random_images(7, 4, 4, 1)
    whole = flow.bits_per_dim(images, batch_size=256)
    torch.testing.assert_close(flow.bits_per_dim(images, batch_size=3), whole)
    torch.testing.assert_close(flow.bits_per_dim(images[::-1].copy()).flip(0), whole)
    torch.testing.assert_close(flow.bits_per_dim(images[4:5]), whole[4:5])
    assert not torch.equal(flow.bits_per_dim(images, seed=1), whole)


@pytest.mark.parametrize("room", [5, 1])
def test_a_batch_that_memory_does_not_hold_is_scored_in_smaller_ones(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1)).double()))
    images = random_images(23, 4, 4, 1)
    whole, log_prob = flow.bits_per_dim(images, samples=2), flow.log_prob

    def short(x: Tensor) -> Tensor:
        if len(x) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return log_prob(x)

    monkeypatch.setattr(flow, "log_prob", short)
    torch.testing.assert_close(flow.bits_per_dim(images, samples=2, batch_size=16), whole)
    room = 0
    with pytest.raises(torch.OutOfMemoryError):
        flow.bits_per_dim(images)


def test_more_samples_tighten_the_bound() -> None:
    torch.manual_seed(0)
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1)), steps=30))
    images = random_images(50, 4, 4, 1) // 64 * 64
    assert flow.bits_per_dim(images, samples=16).mean() < flow.bits_per_dim(images, samples=1).mean()


def test_refusals() -> None:
    flow = untouched_flow((1, 4, 4))
    with pytest.raises(ValueError, match=r"uint8 of shape \(N, H, W, C\)"):
        flow.bits_per_dim(np.zeros((2, 4, 4, 1), np.float32))
    with pytest.raises(ValueError, match="samples must be at least 1"):
        flow.bits_per_dim(random_images(1, 4, 4, 1), samples=0)
    with pytest.raises(ValueError, match="x must have shape"):
        flow.bits_per_dim(random_images(1, 4, 5, 1))
    assert flow.bits_per_dim(np.zeros((0, 4, 4, 1), np.uint8)).shape == (0,)


def test_every_level_survives_the_way_to_unit_and_back() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    just_below: Tensor = torch.tensor(np.nextafter(np.float32(1), np.float32(0)))
    for noise in (0.0, 0.5, just_below.expand(levels.shape).double()):
        assert torch.equal(images_from_unit(unit_from_images(levels, noise)), levels)
    outside = torch.tensor([-0.05, 1.05]).view(1, 1, 1, 2)
    assert images_from_unit(outside).flatten().tolist() == [0, 255]


def test_exact_reconstruction_of_images_by_a_default_model() -> None:
    flow = Inference(train_a_little(Flow(preset_config("quick", (1, 28, 28)))))
    images = torch.from_numpy(random_images(4, 28, 28, 1))
    with torch.no_grad():
        z, _ = flow.encode(unit_from_images(images, 0.5))
        assert torch.equal(images_from_unit(flow.decode(z)), images)
