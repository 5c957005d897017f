"""Mixtures over grey levels and the pyramid of pixels: inverses, densities, what networks see, code lengths."""

import itertools
import math
from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvp_studio.flow import Flow, FlowConfig, Inference, images_from_unit, preset_config, unit_from_images
from nvp_studio.flow.bijection import Bijection
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS, level_centers
from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.masks import CornerMask, Mask, PixelMask
from nvp_studio.flow.mixture import FLOOR, MixtureTransform
from nvp_studio.flow.networks import network_blocks
from nvp_studio.flow.pixel_network import PixelNetwork
from nvp_studio.flow.preprocessing import level_edges
from nvp_studio.flow.pyramid import last_masks, scale_masks
from tests.flow.jacobian import check_bijection, jacobian_of, perturb, train_a_little

seeds = st.integers(0, 2**16)
NETWORK = FlowConfig(image_shape=(1, 2, 2), network="depthwise", blocks=1, leak=0.1)
SHAPES = [
    (3, 32, 32, 4), (1, 28, 28, 3), (3, 14, 10, 2), (1, 5, 7, 1), (3, 5, 7, 1), (1, 1, 1, 1), (3, 1, 1, 1),
    (1, 1, 5, 1), (3, 16, 8, 2),
]  # fmt: skip
"""Channels, height, width and scales."""


def pyramid(channels: int, height: int, width: int, scales: int, **changes: object) -> FlowConfig:
    config = preset_config("pyramid", (channels, height, width))
    return msgspec.structs.replace(config, scales=scales, width=4, blocks=1, pieces=2, **changes)


def drawings(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Images (N, H, W, C) of few levels, black and white among them, with a few pixels of any level."""
    chance = np.random.default_rng(seed)
    channels, height, width = shape
    levels = np.array([0, 255, 60, 61, 200], np.uint8)
    images = levels[chance.choice(5, (count, height, width, channels), p=(0.4, 0.3, 0.1, 0.1, 0.1))]
    anything = chance.integers(0, LEVELS, images.shape, np.uint8)
    return np.where(chance.random(images.shape) < 0.05, anything, images)


def moved(config: FlowConfig, seed: int = 0, size: float = 0.3) -> Flow:
    """A flow in float64 with all of its weights moved."""
    torch.manual_seed(seed)
    flow = Flow(config)
    images = drawings(20, config.image_shape, seed)
    flow.initialize(unit_from_images(torch.from_numpy(images), 0.5), images)
    flow = flow.double().eval()
    perturb(flow, seed, size)
    return flow


def within_levels(*shape: int, seed: int = 0) -> Tensor:
    """Values in [0, 1], none near to the edge of a level, where rounding says in which level it is."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, LEVELS, shape, generator=generator)
    levels[..., 0] = levels[..., 0] % 2 * 255
    noise = 0.001 + 0.998 * torch.rand(shape, generator=generator, dtype=torch.float64)
    return (levels + noise) / LEVELS


def mixture(colours: int, components: int, seed: int = 0) -> MixtureTransform:
    transform = MixtureTransform(colours, components).double()
    transform.edges.copy_(level_edges(drawings(30, (colours, 8, 8), seed)))
    return transform


def params_of(transform: MixtureTransform, pixels: int, height: int, width: int, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    outputs = transform.outputs(transform.colours * pixels)
    return 2 * torch.randn(count, outputs, height, width, generator=generator, dtype=torch.float64)


class Transformed(Bijection):
    """The transform with parameters that are given."""

    def __init__(self, transform: MixtureTransform, params: Tensor) -> None:
        super().__init__()
        self.transform = transform
        self.params = params

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, log_derivative = self.transform(x, self.params[: len(x)])
        return y, log_derivative.flatten(1).sum(1)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        x, log_derivative = self.transform.inverse_with_log_derivative(y, self.params[: len(y)])
        return x, log_derivative.flatten(1).sum(1)


@settings(max_examples=20)
@given(st.sampled_from([1, 3]), st.integers(1, 4), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), seeds)
def test_the_transform_is_a_bijection(
    colours: int, components: int, pixels: int, height: int, width: int, seed: int
) -> None:
    transform = mixture(colours, components, seed)
    params = params_of(transform, pixels, height, width, 1, seed).expand(2, -1, -1, -1)
    x = within_levels(2, pixels * colours, height, width, seed=seed)
    check_bijection(Transformed(transform, params), x)


@pytest.mark.parametrize("colours", [1, 3])
def test_the_log_derivative_is_the_slope_of_each_value_within_its_level(colours: int) -> None:
    """By differences of the values alone, which know nothing of straight-through gradients."""
    transform = mixture(colours, 3)
    params = params_of(transform, 1, 4, 4, 2, 0)
    x = within_levels(2, colours, 4, 4)
    log_derivative = transform(x, params)[1]
    step = 1e-4 / LEVELS
    for colour in range(colours):
        change = torch.zeros_like(x)
        change[:, colour] = step
        difference = (transform(x + change, params)[0] - transform(x - change, params)[0]) / (2 * step)
        torch.testing.assert_close(difference[:, colour].log(), log_derivative[:, colour], rtol=1e-4, atol=1e-4)
        others = [other for other in range(colours) if other != colour]
        assert not difference[:, others].any(), "another colour depends on the place within the level"


def test_a_value_one_level_on_moves_later_colours_alone() -> None:
    transform = mixture(3, 3)
    params = params_of(transform, 1, 1, 1, 1, 0)
    x = (torch.tensor([10.5, 100.5, 200.5], dtype=torch.float64) / LEVELS).view(1, 3, 1, 1)
    y = transform(x, params)[0]
    for colour in range(3):
        other = x.clone()
        other[:, colour] += 1 / LEVELS
        changed = (transform(other, params)[0] != y).flatten().tolist()
        assert changed == [place >= colour for place in range(3)]


@settings(max_examples=10)
@given(st.integers(1, 5), st.floats(0.1, 30), seeds)
def test_the_levels_of_a_pixel_have_probabilities_that_sum_to_one(components: int, spread: float, seed: int) -> None:
    """Each at least its floor, for any parameters; p(level) is dF/dx of a uniform density on [0, 1] over 256."""
    transform = mixture(1, components, seed)
    params = spread * params_of(transform, 1, 1, 1, 1, seed).expand(LEVELS, -1, -1, -1)
    x = ((torch.arange(LEVELS, dtype=torch.float64) + 0.5) / LEVELS).view(-1, 1, 1, 1)
    z, log_derivative = transform(x, params)
    log_prob = torch.distributions.Normal(0.0, 1.0).log_prob(z) + log_derivative
    probabilities = (log_prob.exp() / LEVELS).flatten()
    assert abs(probabilities.sum().item() - 1) < 1e-8  # the ends of z beyond MARGIN are left out
    assert (probabilities > 0.999 * FLOOR / LEVELS).all()


def test_probabilities_of_all_images_of_two_values_sum_to_one() -> None:
    """All 65 536 images of 1x2 grey pixels: the code lengths are those of a code that exists and wastes nothing."""
    flow = moved(pyramid(1, 1, 2, 1))
    pairs = torch.tensor(list(itertools.product(range(LEVELS), repeat=2)), dtype=torch.uint8).view(-1, 1, 2, 1)
    x = unit_from_images(pairs, torch.full(pairs.shape, 0.5, dtype=torch.float64))
    with torch.no_grad():
        total = sum(flow.log_prob(part).exp().sum().item() for part in x.split(8192)) / LEVELS**2
    assert abs(total - 1) < 1e-8


def coupling(mask: Mask, colours: int, components: int = 2) -> Coupling:
    transform = MixtureTransform(colours, components)
    transform.edges.copy_(level_edges(drawings(30, (colours, 8, 8))))
    outputs = transform.outputs(mask.changes)
    return Coupling(mask, transform, PixelNetwork(mask, 4, outputs, network_blocks(NETWORK, 4), 0.1))


def masks(colours: int) -> Iterator[Mask]:
    yield CornerMask((4 * colours, 2, 3), seen=colours, changes=colours)
    yield CornerMask((4 * colours, 2, 3), seen=2 * colours, changes=2 * colours)
    yield CornerMask((4 * colours, 2, 3), seen=3 * colours, changes=colours)
    yield from last_masks((colours, 3, 5))


@pytest.mark.parametrize("colours", [1, 3])
def test_couplings_are_bijections(colours: int) -> None:
    for number, mask in enumerate(masks(colours)):
        layer = coupling(mask, colours).double().eval()
        perturb(layer, number)
        shape = (colours, 3, 5) if isinstance(mask, PixelMask) else (4 * colours, 2, 3)
        x = within_levels(1, *shape, seed=number)
        check_bijection(layer, x)
        with torch.no_grad():
            by_value = layer.by_value(x)
            torch.testing.assert_close(by_value[1].flatten(1).sum(1), layer(x)[1])
        assert torch.equal(by_value[0], layer(x)[0])
        assert torch.equal(by_value[0] == x, by_value[1] == 0)


@pytest.mark.parametrize("colours", [1, 3])
def test_masks_show_levels_and_nothing_of_what_changes(colours: int) -> None:
    for mask in masks(colours):
        shape = (colours, 3, 5) if isinstance(mask, PixelMask) else (4 * colours, 2, 3)
        x = within_levels(2, *shape)
        x1, x2 = mask.split(x)
        assert torch.equal(mask.merge(x1, x2), x)
        shown = mask.shown(x1)
        assert shown.shape[1:] == mask.network_shape
        elsewhere = within_levels(2, *x2.shape[1:], seed=1)
        other = mask.merge(x1, elsewhere)
        assert torch.equal(mask.shown(mask.split(other)[0]), shown)
        assert torch.equal(mask.shown(mask.split(level_centers(x))[0]), shown)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 7), (1, 1), (1, 5), (3, 2)])
def test_the_masks_of_the_last_scale_change_each_pixel_once_given_earlier_ones(height: int, width: int) -> None:
    seen = torch.zeros(1, 1, height, width)
    for mask in reversed(list(last_masks((1, height, width)))):
        assert isinstance(mask, PixelMask)
        assert torch.equal(mask.sees, seen)
        assert mask.changing.any()
        assert not (mask.changing * seen).any()
        seen = seen + mask.changing
    assert (seen == 1).all()


@pytest.mark.parametrize(("height", "kinds"), [(32, [(2, 2), (1, 1)]), (14, [(3, 1), (2, 1), (1, 1)])])
def test_a_scale_changes_three_of_four_corners(height: int, kinds: list[tuple[int, int]]) -> None:
    found = [mask for mask in scale_masks((3, height, height)) if isinstance(mask, CornerMask)]
    assert [(mask.seen, mask.changes) for mask in found] == [(3 * seen, 3 * changes) for seen, changes in kinds]
    assert sum(mask.changes for mask in found) == 9


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_flows_of_any_size_come_back_from_their_latents(shape: tuple[int, int, int, int]) -> None:
    """Noise of any level, black, white and drawings."""
    config = pyramid(*shape)
    flow = moved(config)
    black = np.zeros((1, *config.image_shape[1:], config.image_shape[0]), np.uint8)
    some = drawings(1, config.image_shape, 1)
    images = torch.from_numpy(np.concatenate((black, black + 255, some)))
    x = torch.cat((unit_from_images(images, 0.5).double(), within_levels(2, *config.image_shape)))
    with torch.no_grad():
        z, log_det = flow.encode(x)
        back, inverse_log_det = flow.decode_with_log_det(z)
    assert z.shape == (len(x), config.dimensions)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(flow.decode(z), back, rtol=0, atol=1e-12)
    assert torch.equal(images_from_unit(back[:3]), images)


def depends(jacobian: Tensor) -> Tensor:
    """Whether output i depends on input j, directly or by others."""
    reached = (jacobian != 0).double()
    for _ in range(len(reached).bit_length()):
        reached = (reached @ reached > 0).double()
    return reached


def assert_triangular(jacobian: Tensor) -> None:
    """With the pixels in an order in which each depends on earlier ones alone."""
    order = depends(jacobian).sum(1).argsort(stable=True)
    assert not jacobian[order][:, order].triu(1).any()


@pytest.mark.parametrize("shape", [(3, 4, 4, 2), (1, 8, 8, 3), (1, 16, 4, 2), (1, 5, 7, 1), (3, 1, 1, 1), (1, 1, 5, 1)])
def test_log_determinants_are_those_of_a_triangular_jacobian(shape: tuple[int, int, int, int]) -> None:
    """Within levels each value moves its own latent alone; by straight-through gradients it moves later ones too.

    The product of the diagonal is taken as it is: a factorization would lose it among the entries beside.
    """
    flow = moved(pyramid(*shape))
    x, size = within_levels(1, *flow.config.image_shape), flow.config.dimensions
    step = 1e-4 / LEVELS
    changes = step * torch.eye(size, dtype=x.dtype).view(size, *x.shape[1:])
    with torch.no_grad():
        _, log_det = flow.encode(x)
        differences = ((flow.encode(x + changes)[0] - flow.encode(x - changes)[0]) / (2 * step)).T
    assert ((differences != 0).sum(0) == 1).all()
    own = (differences != 0).int().argmax(0)  # by pixel, the place of its latent
    assert sorted(own.tolist()) == list(range(size))
    jacobian = jacobian_of(lambda flat: flow.encode(flat.view_as(x))[0].flatten(), x.flatten())[own]
    torch.testing.assert_close(jacobian.diagonal(), differences[own].diagonal(), rtol=1e-3, atol=0)
    assert_triangular(jacobian)
    torch.testing.assert_close(jacobian.diagonal().abs().log().sum().view(1), log_det, rtol=1e-9, atol=1e-9)
    levels_on = torch.where(x.flatten() < 0.5, 1, -1).view(size, *[1] * 3) / step / LEVELS * changes
    with torch.no_grad():
        z = flow.encode(x.expand(size, -1, -1, -1))[0]
        moves = (flow.encode(x + levels_on)[0] - z).abs().T[own]
    assert_triangular(moves > 1e-9)


def dequantized(images: np.ndarray, noise: float | Tensor) -> Tensor:
    return unit_from_images(torch.from_numpy(images), noise)


@pytest.mark.parametrize("shape", [(3, 8, 8, 2), (1, 5, 7, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_per_dim_do_not_depend_on_the_noise(shape: tuple[int, int, int, int], dtype: torch.dtype) -> None:
    flow = moved(pyramid(*shape)).to(dtype)
    images = drawings(6, flow.config.image_shape, 3)
    assert flow.config.exact_code_length
    generator = torch.Generator().manual_seed(0)
    noises = [torch.rand(images.shape, generator=generator, dtype=dtype) for _ in range(3)]
    noises += [
        torch.zeros(images.shape, dtype=dtype),
        torch.full(images.shape, 1.0, dtype=dtype).nextafter(torch.zeros(1, dtype=dtype)),
    ]
    with torch.no_grad():
        scores = [flow.log_prob(dequantized(images, noise)) for noise in noises]
    for score in scores[1:]:
        torch.testing.assert_close(score, scores[0], rtol=2e-5 if dtype == torch.float32 else 1e-12, atol=0)
    inference = Inference(flow)
    torch.testing.assert_close(
        inference.bits_per_dim(images, seed=1), inference.bits_per_dim(images, seed=2, samples=3)
    )


@settings(max_examples=30)
@given(st.floats(0, 1, exclude_max=True, width=32))
def test_an_image_with_noise_stays_within_its_levels(noise: float) -> None:
    levels = torch.arange(LEVELS, dtype=torch.uint8).view(1, 16, 16, 1)
    for value in (noise, float(np.nextafter(np.float32(1), np.float32(0)))):
        x = unit_from_images(levels, torch.full(levels.shape, value))
        assert x.dtype == torch.float32
        assert torch.equal(images_from_unit(x), levels)
        assert torch.equal(level_centers(x), (levels.permute(0, 3, 1, 2).float() + 0.5) / LEVELS)


def test_samples_have_uniform_noise_within_their_levels() -> None:
    flow = Inference(moved(pyramid(3, 8, 8, 2)))
    x = flow.decode(flow.latents(200, seed=3)).double()
    noise = ((x * LEVELS).clamp(0, LEVELS) % 1).flatten()
    count = len(noise)
    assert noise.mean().item() == pytest.approx(0.5, abs=5 / math.sqrt(12 * count))
    highest = (noise.sort().values - (torch.arange(count) + 0.5) / count).abs().max().item()
    assert highest < 2 / math.sqrt(count)  # Kolmogorov and Smirnov: by chance once in 1500 times
    images = images_from_unit(x)
    own = flow.bits_per_dim(images).mean()
    again = -flow.log_prob(x.float()).mean() / flow.config.dimensions / math.log(2) + 8
    assert own.item() == pytest.approx(again.item(), rel=1e-4), "8-bit samples score as the samples do"


def test_initialization_sets_the_axis_of_every_coupling() -> None:
    config = pyramid(3, 8, 8, 2)
    images = drawings(50, config.image_shape)
    flow = Flow(config)
    flow.initialize(unit_from_images(torch.from_numpy(images), 0.5))
    laws = [module for module in flow.modules() if isinstance(module, MixtureTransform)]
    assert len(laws) == config.couplings
    for law in laws:
        torch.testing.assert_close(law.edges.double(), level_edges(images), rtol=0, atol=1e-6)
    unequalized = Flow(msgspec.structs.replace(config, equalize=False))
    unequalized.initialize(unit_from_images(torch.from_numpy(images), 0.5))
    even = torch.linspace(0, 1, LEVELS + 1).expand(3, -1)
    assert all(torch.equal(law.edges, even) for law in unequalized.modules() if isinstance(law, MixtureTransform))


def test_a_flow_learns_and_every_parameter_has_a_gradient() -> None:
    torch.manual_seed(0)
    flow = train_a_little(accelerate(Flow(pyramid(3, 8, 8, 2))), steps=3).train()
    x = within_levels(4, 3, 8, 8).float()
    (-flow(x).mean()).backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("memory", ["fast", "constant"])
def test_a_flow_that_has_diverged_says_so_by_its_numbers(memory: Literal["fast", "constant"]) -> None:
    """NaN is in no level; it must not become an index, so that a run can return to an earlier step."""
    flow = accelerate(Flow(pyramid(1, 5, 7, 1)), memory)
    for parameter in flow.parameters():
        parameter.data.fill_(math.nan)
    loss = flow(within_levels(2, 1, 5, 7).float()).sum()
    loss.backward()
    assert loss.isnan()
    with torch.no_grad():
        assert flow.decode(torch.zeros(2, 35)).isnan().any()


def test_settings_that_do_not_fit_are_named() -> None:
    config = pyramid(1, 8, 8, 2)
    for name, value in (("checkerboard_couplings", 1), ("channel_couplings", 2), ("final_couplings", 3)):
        with pytest.raises(ValueError, match=f"{name} is {value}, must be 0 with law=levels"):
            msgspec.structs.replace(config, **{name: value})
    for name, other, none in (
        ("normalization", "actnorm", "none"),
        ("mixing", "conv1x1", "none"),
        ("conditional_prior", True, "false"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be {none} with law=levels"):
            msgspec.structs.replace(config, **{name: other})
    with pytest.raises(ValueError, match="network must be depthwise or gated with law=levels"):
        msgspec.structs.replace(config, network="residual")
    with pytest.raises(ValueError, match="2 scales need sides divisible by 2, not 5x7"):
        pyramid(1, 5, 7, 2)
