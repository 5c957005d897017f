"""Every bijection against the Jacobian that autograd computes, in float64."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform
from nvp_studio.flow.masks import (
    ChannelMask,
    CheckerboardMask,
    Mask,
    PackedCheckerboardMask,
    checkerboard,
    checkerboard_mask,
)
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.networks import ResidualNetwork, coupling_network, leaky_relu
from nvp_studio.flow.normalization import ActNorm, RunningBatchNorm
from nvp_studio.flow.preprocessing import Equalization, Logit, Preprocessing
from nvp_studio.flow.squeeze import DIAGONAL_ORDER, READING_ORDER, Squeeze, Unsqueeze
from nvp_studio.flow.transforms import AffineTransform, ElementwiseTransform, SplineTransform
from tests.flow.jacobian import check_bijection, perturb


def small_network(inputs: int, outputs: int) -> nn.Module:
    return ResidualNetwork(inputs, 5, outputs, blocks=1)


def published_network(inputs: int, outputs: int) -> nn.Module:
    return ResidualNetwork(inputs, 4, outputs, blocks=2, batch_norm=True, weight_norm=True)


def gated_network(inputs: int, outputs: int) -> nn.Module:
    return coupling_network(networks("gated", blocks=1, leak=0.1), inputs, 4, outputs)


def networks(kind: str, blocks: int, leak: float = 0.0) -> FlowConfig:
    return FlowConfig(image_shape=(1, 2, 2), network=kind, blocks=blocks, leak=leak)  # type: ignore[arg-type]


def spline(channels: int) -> ElementwiseTransform:
    return SplineTransform(channels, bins=3)


def fused_spline(channels: int) -> ElementwiseTransform:
    return FusedSplineTransform(channels, bins=3)


MakeNetwork = Callable[[int, int], nn.Module]
MakeTransform = Callable[[int], ElementwiseTransform]


def coupling(mask: Mask, network: MakeNetwork = small_network, transform: MakeTransform = AffineTransform) -> Coupling:
    made = transform(mask.changes)
    return Coupling(mask, made, network(mask.network_shape[0], made.params_per_value * mask.changes))


def ready(layer: Bijection, seed: int = 0) -> Bijection:
    layer = layer.double().eval()
    perturb(layer, seed)
    return layer


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


sides = st.integers(1, 3).map(lambda half: 2 * half)
seeds = st.integers(0, 2**16)
transforms = st.sampled_from([AffineTransform, spline, fused_spline])


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.booleans(), transforms, seeds)
def test_masked_checkerboard(
    channels: int, height: int, width: int, flip: bool, transform: MakeTransform, seed: int
) -> None:
    layer = coupling(CheckerboardMask((channels, height, width), flip=flip), transform=transform)
    check_bijection(ready(layer, seed), normal(2, channels, height, width, seed=seed))


@settings(max_examples=20)
@given(st.integers(1, 3), sides, sides, st.booleans(), transforms, seeds)
def test_packed_checkerboard(
    channels: int, height: int, width: int, flip: bool, transform: MakeTransform, seed: int
) -> None:
    layer = coupling(PackedCheckerboardMask((channels, height, width), flip=flip), transform=transform)
    check_bijection(ready(layer, seed), normal(2, channels, height, width, seed=seed))


@settings(max_examples=20)
@given(st.integers(2, 7), st.integers(1, 4), st.integers(1, 4), st.booleans(), transforms, seeds)
def test_channel_mask(channels: int, height: int, width: int, flip: bool, transform: MakeTransform, seed: int) -> None:
    layer = coupling(ChannelMask((channels, height, width), flip=flip), transform=transform)
    check_bijection(ready(layer, seed), normal(2, channels, height, width, seed=seed))


@pytest.mark.parametrize("network", [published_network, gated_network])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("kind", [ChannelMask, CheckerboardMask, PackedCheckerboardMask])
def test_couplings_with_other_networks(kind: Callable[..., Mask], flip: bool, network: MakeNetwork) -> None:
    check_bijection(ready(coupling(kind((3, 4, 2), flip=flip), network)), normal(2, 3, 4, 2))


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), seeds)
def test_normalizations_and_mixing(channels: int, height: int, width: int, seed: int) -> None:
    x = normal(2, channels, height, width, seed=seed)
    for layer in (
        ActNorm(channels),
        RunningBatchNorm(channels),
        InvertibleConv1x1(channels),
    ):
        check_bijection(ready(layer, seed), x)


@settings(max_examples=10)
@given(st.integers(1, 3), sides, sides, st.sampled_from([READING_ORDER, DIAGONAL_ORDER]))
def test_squeezes(channels: int, height: int, width: int, order: tuple[tuple[int, int], ...]) -> None:
    check_bijection(Squeeze(order), normal(2, channels, height, width))
    check_bijection(Unsqueeze(order), normal(2, 4 * channels, height // 2, width // 2))


@settings(max_examples=10)
@given(st.floats(1e-4, 0.4), seeds)
def test_logit(alpha: float, seed: int) -> None:
    x = torch.rand(2, 1, 3, 2, generator=seeded(seed), dtype=torch.float64)
    check_bijection(Logit(alpha), x)


def test_logit_counts_the_shrinking_of_the_interval() -> None:
    x = torch.tensor([0.5], dtype=torch.float64).view(1, 1, 1, 1)
    log_det = Logit(0.05)(x)[1]
    expected = torch.log(torch.tensor(0.9 / 0.25, dtype=torch.float64))  # (1 - 2a) / (p (1 - p)) at p = 1/2
    torch.testing.assert_close(log_det, expected.view(1))


def drawings(channels: int, seed: int) -> npt.NDArray[np.uint8]:
    """Images of few levels, most of them of one."""
    chance = np.random.default_rng(seed)
    levels = chance.integers(0, 256, (5, channels))
    chosen = chance.choice(5, (20, 8, 8), p=(0.6, 0.2, 0.1, 0.08, 0.02))
    return levels[chosen, np.arange(channels)[:, None, None, None]].transpose(1, 2, 3, 0).astype(np.uint8)


@settings(max_examples=10)
@given(st.integers(1, 3), st.booleans(), seeds)
def test_equalization(channels: int, start: bool, seed: int) -> None:
    layer = Equalization(channels)
    if not start:
        layer.initialize(drawings(channels, seed))
    check_bijection(layer.double(), torch.rand(2, channels, 2, 3, generator=seeded(seed), dtype=torch.float64))


def test_equalization_starts_as_the_identity() -> None:
    x = torch.rand(2, 3, 4, 4, generator=seeded(0))
    y, log_det = Equalization(3)(x)
    torch.testing.assert_close(y, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(log_det, torch.zeros(2), rtol=0, atol=1e-3)


def test_equalization_gives_frequent_levels_more_room() -> None:
    images = drawings(3, 1)
    layer = Equalization(3).double()
    layer.initialize(images)
    for channel, shares in enumerate(layer.edges.diff()):
        powers = [float((images[..., channel] == level).mean()) ** 0.7 for level in range(256)]
        expected = [0.1 / 256 + 0.9 * power / sum(powers) for power in powers]
        assert shares.tolist() == pytest.approx(expected, abs=1e-12)
    noise = torch.rand(*images.shape, generator=seeded(0), dtype=torch.float64)
    x = unit_from_images(torch.from_numpy(images), noise)
    level = images[0, 0, 0, 0]
    values = layer(x)[0][:, 0][x[:, 0].mul(256).floor() == level]
    low, high = layer.edges[0, level], layer.edges[0, level + 1]
    assert values.min() >= low
    assert values.max() <= high
    assert values.var().item() == pytest.approx(((high - low) ** 2 / 12).item(), rel=0.15)  # as even as it was


def test_equalization_of_many_images_counts_some_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nvp_studio.flow.preprocessing._MAX_VALUES", 500)
    images = np.zeros((100, 5, 5, 1), np.uint8)
    images[50:] = 200
    layer = Equalization(1)
    layer.initialize(images)
    assert layer.edges.diff()[0, [0, 200]].tolist() == pytest.approx([0.45, 0.45], rel=0.01)


def test_equalization_reaches_beyond_both_ends() -> None:
    layer = Equalization(1).double()
    layer.initialize(drawings(1, 2))
    check_bijection(layer, torch.tensor([-0.001, 0.0, 1.0, 1.002], dtype=torch.float64).view(1, 1, 2, 2))


@pytest.mark.parametrize("equalize", [False, True])
def test_preprocessing(equalize: bool) -> None:
    layer = Preprocessing(3, 1e-4, equalize=equalize)
    if layer.equalization is not None:
        layer.equalization.initialize(drawings(3, 3))
    check_bijection(layer.double(), torch.rand(2, 3, 2, 2, generator=seeded(1), dtype=torch.float64))


def test_chain_adds_log_determinants() -> None:
    chain = Chain([ActNorm(4), coupling(ChannelMask((4, 2, 2), flip=False)), InvertibleConv1x1(4), ActNorm(4)])
    check_bijection(ready(chain), normal(2, 4, 2, 2))


def test_packed_and_masked_checkerboards_keep_the_same_cells() -> None:
    x = normal(1, 2, 4, 6)
    for flip in (False, True):
        mask = checkerboard(4, 6, flip=flip).bool().expand_as(x)
        for packed in (False, True):
            layer = ready(coupling(checkerboard_mask((2, 4, 6), flip=flip, packed=packed)))
            with torch.no_grad():
                y, _ = layer(x)
            assert torch.equal(y[mask], x[mask])
            assert (y[~mask] != x[~mask]).all()


def test_checkerboard_of_the_paper() -> None:
    assert checkerboard(2, 3).squeeze().tolist() == [[1, 0, 1], [0, 1, 0]]
    assert checkerboard(2, 3, flip=True).squeeze().tolist() == [[0, 1, 0], [1, 0, 1]]


def test_odd_sides_are_masked_even_when_packing_is_asked_for() -> None:
    assert isinstance(checkerboard_mask((1, 3, 4), flip=False, packed=True), CheckerboardMask)


def test_squeeze_orders() -> None:
    x = torch.arange(16, dtype=torch.float64).view(1, 1, 4, 4)
    assert Squeeze()(x)[0][0, :, 0, 0].tolist() == [0, 1, 4, 5]
    assert Squeeze(DIAGONAL_ORDER)(x)[0][0, :, 0, 0].tolist() == [0, 5, 1, 4]


def test_squeeze_refuses_odd_sides() -> None:
    with pytest.raises(ValueError, match="even sides, not 3x4"):
        Squeeze()(torch.zeros(1, 1, 3, 4))


def test_channel_mask_needs_two_channels() -> None:
    with pytest.raises(ValueError, match="at least 2 channels"):
        ChannelMask((1, 2, 2), flip=False)


def test_couplings_start_as_the_identity() -> None:
    x = normal(2, 2, 4, 4)
    for packed in (False, True):
        layer = coupling(checkerboard_mask((2, 4, 4), flip=False, packed=packed), published_network).double()
        with torch.no_grad():
            y, log_det = layer(x)
        assert torch.equal(y, x)
        assert not log_det.any()


@pytest.mark.parametrize("kind", ["residual", "gated", "depthwise"])
def test_networks_of_every_kind_start_as_zero_and_see_all_of_the_input(kind: str) -> None:
    torch.manual_seed(0)
    network = coupling_network(networks(kind, blocks=1), 2, 6, 4).double()
    x = normal(1, 2, 5, 5).requires_grad_()
    assert not network(x).any()
    perturb(network)
    (gradient,) = torch.autograd.grad(network(x)[0, :, 2, 2].sum(), x)
    assert (gradient[0, :, 1:4, 1:4] != 0).all()


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_a_leak_lets_silent_networks_learn(leak: float) -> None:
    torch.manual_seed(0)
    network = coupling_network(networks("depthwise", blocks=0, leak=leak), 2, 6, 4).double()
    perturb(network)
    nn.init.constant_(network.enter.bias, -100.0)
    gradients = torch.autograd.grad(network(normal(3, 2, 5, 5)).sum(), list(network.enter.parameters()))
    assert all(bool(gradient.any()) == bool(leak) for gradient in gradients)


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_leaky_relu_overwrites_only_in_place(leak: float) -> None:
    x = normal(50)
    before = x.clone()
    expected = torch.maximum(x, leak * x)
    torch.testing.assert_close(leaky_relu(x, leak, inplace=False), expected)
    assert torch.equal(x, before)
    torch.testing.assert_close(leaky_relu(x, leak), expected)


def test_actnorm_initialization_normalizes_its_batch() -> None:
    layer = ActNorm(3).double()
    x = 5 + 3 * normal(16, 3, 4, 4)
    layer.initialize(x)
    with torch.no_grad():
        y, _ = layer(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)
    torch.testing.assert_close(y.var((0, 2, 3), correction=0), torch.ones(3, dtype=torch.float64), rtol=1e-5, atol=0)


def test_running_batch_norm_takes_the_batch_in_first() -> None:
    layer = RunningBatchNorm(1, momentum=0.9).double().train()
    x = 2 + normal(8, 1, 2, 2)
    y, log_det = layer(x)
    mean = 0.1 * x.mean()
    variance = 0.9 + 0.1 * x.var(correction=0)
    torch.testing.assert_close(y, (x - mean) / torch.sqrt(variance + layer.eps))
    torch.testing.assert_close(log_det, (-0.5 * 4 * torch.log(variance + layer.eps)).expand(8))
    torch.testing.assert_close(layer.mean, mean.view(1))


def test_running_batch_norm_passes_gradient_through_the_batch_only() -> None:
    layer = RunningBatchNorm(1, momentum=0.9).double().train()
    layer.mean.fill_(7.0)
    x = normal(4, 1, 1, 1).requires_grad_()
    layer(x)[0].sum().backward()
    # sum over i of d y_i / d x_j, where the batch's statistics weigh 1 - momentum
    values = x.detach().flatten()
    mean, variance = 0.9 * 7 + 0.1 * values.mean(), 0.9 + 0.1 * values.var(correction=0)
    deviation = torch.sqrt(variance + layer.eps)
    slope = 0.1 * 2 * (values - values.mean()) / 4
    expected = (1 - 0.1) / deviation - 0.5 * (values - mean).sum() * slope / deviation**3
    assert x.grad is not None
    torch.testing.assert_close(x.grad.flatten(), expected)


def test_running_batch_norm_has_no_inverse_while_training() -> None:
    with pytest.raises(RuntimeError, match="evaluation mode"):
        RunningBatchNorm(2).train().inverse(torch.zeros(1, 2, 2, 2))


def test_conv1x1_starts_as_a_rotation() -> None:
    layer = InvertibleConv1x1(6).double()
    x = normal(3, 6, 2, 2)
    with torch.no_grad():
        y, log_det = layer(x)
    torch.testing.assert_close(y.square().sum(), x.square().sum(), rtol=1e-5, atol=0)
    torch.testing.assert_close(log_det, torch.zeros(3, dtype=torch.float64), atol=1e-5, rtol=0)
