"""Compiled loops compute what the equations say, also at the ends of bins, of splines and of number formats."""

import math
import sys
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.engine.compiled_networks import CompiledNetwork
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.kernels import compiling
from nvp_studio.flow.engine.kernels.networks import map_channels
from nvp_studio.flow.engine.kernels.transforms import transform_affinely, transform_by_splines
from nvp_studio.flow.masks import ChannelMask, CheckerboardMask
from nvp_studio.flow.networks import DepthwiseBlock, PlainNetwork
from nvp_studio.flow.transforms import AffineTransform, ElementwiseTransform, SplineTransform
from tests.flow.engine.test_inference import CONFIGS, compiled, images
from tests.flow.engine.test_reversible import trained

EPS = float(np.finfo(np.float32).eps)
LEVELS = msgspec.structs.replace(preset_config("pyramid", (3, 5, 7)), width=8, pieces=4)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_elementary_functions() -> None:
    x = np.linspace(-100, 100, 20001, dtype=np.float32)
    exp, tanh = (njit(lambda x, f=f: f(x)) for f in (compiling.exp, compiling.tanh))
    exact = np.exp(np.clip(x.astype(np.float64), -87, 88))
    assert np.abs(np.array([exp(one) for one in x]) / exact - 1).max() < 2 * EPS
    assert np.abs(np.array([tanh(one) for one in x]) - np.tanh(x.astype(np.float64))).max() < 2 * EPS


def transformed(transform: ElementwiseTransform, x: Tensor, params: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """x (N, C, H, W) and log-determinants (N,) by a kernel."""
    kernel = transform_by_splines if isinstance(transform, SplineTransform) else transform_affinely
    values, out, log_dets = x.flatten(1).numpy(), torch.empty_like(x), torch.empty(len(x), dtype=torch.float64)
    changed = values.shape[1]
    scale = transform.scale.detach().float().repeat_interleave(x.shape[2] * x.shape[3]).numpy()
    rows = params.float().reshape(len(x), transform.params_per_value, -1).contiguous().numpy()
    everything = np.ones(changed, np.bool_)
    kernel(inverse, values, 0, rows, scale, everything, out.flatten(1).numpy(), log_dets.numpy())
    return out, log_dets


@pytest.mark.parametrize("bins", [0, 1, 2, 7, 64])
@pytest.mark.parametrize("size", [0.5, 5.0])
def test_a_kernel_is_its_transform(bins: int, size: float) -> None:
    """Affine without bins; parameters of any size, values in all bins and far beyond the ends."""
    torch.manual_seed(bins)
    channels, side = 3, 9
    transform = SplineTransform(channels, bins) if bins else AffineTransform(channels)
    transform.scale.data = torch.tensor([1.0, -0.7, 2.5])
    params = size * torch.randn(4, transform.params_per_value * channels, side, side).float()
    x = 4 * torch.randn(4, channels, side, side, dtype=torch.float64)
    x[0, 0, 0] = torch.tensor([-5, 5, -5.0000001, 5.0000001, 0, -1000, 1000, 4.9999999, -4.9999999])
    with torch.no_grad():
        exact, log_derivative = transform.double()(x, params.double())
        y, log_dets = transformed(transform, x, params, inverse=False)
        tolerance = {"rtol": 1e-4, "atol": 1e-4} if size > 1 else {"rtol": 1e-5, "atol": 1e-5}
        torch.testing.assert_close(y, exact, **tolerance)
        torch.testing.assert_close(log_dets, log_derivative.flatten(1).sum(1), rtol=1e-5, atol=1e-2)
        back, inverse_log_dets = transformed(transform, y, params, inverse=True)
    torch.testing.assert_close(back, x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(inverse_log_dets, -log_dets, rtol=1e-9, atol=1e-7)


def test_log_determinants_of_the_steepest_splines_are_finite() -> None:
    """Of thousands of values whose derivatives are all as large, or as small, as parameters make them."""
    transform = SplineTransform(1, 64)
    transform.scale.data.fill_(80.0)
    for sign in (1, -1):
        params = torch.zeros(1, transform.params_per_value, 64, 64)
        params[:, 0], params[:, 64] = -100, 100 * sign
        params[:, 128:-2], params[:, -2] = 100 * sign, 100 * sign
        x = torch.full((1, 1, 64, 64), -4.995, dtype=torch.float64)
        with torch.no_grad():
            expected = transform.double()(x, params.double())[1].sum()
        log_dets = transformed(transform, x, params, inverse=False)[1]
        torch.testing.assert_close(log_dets[0], expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 1), (7, 7), (8, 8), (9, 13)])
@pytest.mark.parametrize(("blocks", "flip"), [(0, False), (1, True), (2, False)])
def test_networks(height: int, width: int, blocks: int, flip: bool) -> None:
    """For halves of the channels and for checkerboards, on few pixels and on many."""
    torch.manual_seed(height + width)
    channels = 5
    for mask in (
        ChannelMask((channels, height, width), flip=flip),
        CheckerboardMask((channels, height, width), flip=flip),
    ):
        depthwise = [DepthwiseBlock(6, 0.2) for _ in range(blocks)]
        network = PlainNetwork(mask.network_shape[0], 6, 7, depthwise, 0.2).requires_grad_(False)
        for parameter in network.parameters():
            parameter.normal_(std=0.5)
        x = 3 * torch.randn(3, channels, height, width, dtype=torch.float64)
        kernel = CompiledNetwork.of(network, mask)
        assert kernel is not None
        expected = network(mask.split(x)[0].float())
        params = torch.from_numpy(kernel(x.flatten(1).numpy())).view_as(expected)
        torch.testing.assert_close(params, expected, rtol=1e-4, atol=1e-4)


def test_maps_of_channels() -> None:
    values, weight, bias = (torch.randn(*shape).double() for shape in ((2, 3, 4), (3, 3), (3,)))
    out = torch.empty_like(values)
    map_channels(values.flatten(1).numpy(), weight.numpy(), bias.numpy(), out.flatten(1).numpy())
    torch.testing.assert_close(out, weight @ values + bias.view(3, 1))


@pytest.mark.parametrize("name", ["studio", "depthwise"])
def test_an_image_is_mapped_to_the_same_bits_in_any_batch_and_by_any_threads(name: str, two_threads: None) -> None:
    flow = compiled(trained(CONFIGS[name], torch.float32))
    x = images(flow.config, torch.float32, 21)
    z, log_det = flow.encode(x)
    decoded = flow.decode(z)
    for some in ([0], [20], list(range(5, 16))):
        alone, alone_log_det = flow.encode(x[some])
        assert torch.equal(alone, z[some])
        assert torch.equal(alone_log_det, log_det[some])
        assert torch.equal(flow.decode(alone), decoded[some])


def test_an_image_scores_the_same_in_any_batch(two_threads: None) -> None:
    flow = compiled(trained(CONFIGS["studio"], torch.float32))
    channels, height, width = flow.config.image_shape
    pixels = np.random.default_rng(0).integers(0, 256, (21, height, width, channels), np.uint8)
    scores = flow.bits_per_dim(pixels)
    for batch_size in (1, 8, 20):
        assert torch.equal(flow.bits_per_dim(pixels, batch_size=batch_size), scores)


def test_compiling_again_changes_nothing() -> None:
    flow = compiled(trained(CONFIGS["quick"], torch.float32))
    body = flow.body
    flow.compile()
    assert flow.body is body


def test_without_numba_a_model_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nvp_studio.flow.engine.compiled", None)
    flow = compiled(trained(CONFIGS["quick"], torch.float32))
    assert not any(type(layer).__name__.startswith("Compiled") for layer in flow.body.modules())
    assert math.isfinite(flow.sample(1).sum().item())


def test_many_images_by_other_networks() -> None:
    flow = compiled(trained(CONFIGS["spline-masked"], torch.float32))
    x = images(flow.config, torch.float32, 21)
    assert (flow.decode(flow.encode(x)[0]) - x).abs().max() < 1 / 512


def test_what_one_form_encodes_the_other_decodes() -> None:
    flow = trained(CONFIGS["studio"], torch.float32)
    plain, by_loops = Inference(flow), compiled(flow)
    x = images(flow.config, torch.float32)
    for encoder, decoder in ((plain, by_loops), (by_loops, plain)):
        assert (decoder.decode(encoder.encode(x)[0]) - x).abs().max() < 1 / 512


@pytest.mark.parametrize("config", [CONFIGS["quick"], LEVELS], ids=["quick", "levels"])
def test_gradients_go_past_the_kernels(config: FlowConfig) -> None:
    flow = trained(config, torch.float32)
    by_loops, plain = compiled(flow), compiled(flow)
    plain.body = type(plain)(flow).body
    gradients = []
    for each in (by_loops, plain):
        z = each.latents(1).requires_grad_()
        x = each.decode(z)
        (gradient,) = torch.autograd.grad(x.sum() + each.encode(x.detach().clamp(0, 1))[1].sum(), z)
        gradients.append(gradient)
    assert torch.equal(*gradients)
    assert gradients[0].any()


def test_other_types_and_devices_are_left_alone() -> None:
    flow = compiled(trained(CONFIGS["quick"], torch.float64))
    assert not any(type(layer).__name__.startswith("Compiled") for layer in flow.body.modules())
    assert math.isfinite(flow.sample(1).sum().item())
