"""Compiled mixtures over grey levels: the plain transform's map, and what is encoded by them is decoded."""

import copy
import math
import statistics
from itertools import product

import msgspec
import numpy as np
import pytest
import torch
from numba import njit
from torch import Tensor

from nvp_studio.flow import Flow, FlowConfig, Inference, images_from_unit, preset_config, unit_from_images
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.compiled import CompiledCoupling, kernels
from nvp_studio.flow.engine.compiled_networks import CompiledNetwork
from nvp_studio.flow.engine.kernels import compiling, normal
from nvp_studio.flow.masks import CornerMask, Mask, PixelMask
from nvp_studio.flow.mixture import MixtureTransform
from nvp_studio.flow.networks import DepthwiseBlock
from nvp_studio.flow.pixel_network import PixelNetwork
from nvp_studio.flow.preprocessing import level_edges
from tests.flow.engine.test_inference import compiled
from tests.flow.engine.test_reversible import trained
from tests.flow.jacobian import perturb

EPS = float(np.finfo(np.float64).eps)
SHAPES = [(1, 28, 28), (3, 16, 16), (3, 5, 7), (1, 1, 1), (1, 2, 9)]


def pyramid(shape: tuple[int, int, int], *, network: str = "depthwise") -> FlowConfig:
    return msgspec.structs.replace(preset_config("pyramid", shape), width=8, pieces=4, network=network)


class Given(torch.nn.Module):
    """A network whose output is given, the same for all images."""

    def __init__(self, params: Tensor) -> None:
        super().__init__()
        self.params = torch.nn.Parameter(params, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.params.expand(len(x), -1, -1, -1)


def masks(colours: int, height: int, width: int) -> list[Mask]:
    """Several pixels side by side that all change, and a part of the pixels of a grid."""
    sees = torch.rand(height, width) < 0.5
    changing = (torch.rand(height, width) < 0.5) & ~sees
    changing[0, 0] = ~sees[0, 0]
    return [
        CornerMask((4 * colours, height, width), seen=2 * colours, changes=2 * colours),
        CornerMask((4 * colours, height, width), seen=colours, changes=colours),
        PixelMask((colours, height, width), sees=sees, changing=changing),
    ]


def uneven_edges(colours: int) -> Tensor:
    """Of images that many levels are missing from."""
    levels = np.random.default_rng(colours).integers(0, 256, (50, colours))
    images = levels[np.random.default_rng(0).integers(0, 50, (8, 32, 32)) ** 2 % 50]
    return level_edges(images.astype(np.uint8))


def couplings(colours: int, size: float, components: int = 5) -> list[tuple[Coupling, CompiledCoupling, Tensor]]:
    """With all masks and parameters of any size; plain in float64, compiled, and of 3 images their values."""
    torch.manual_seed(colours)
    made = []
    for height, width in ((1, 1), (5, 7), (8, 9)):
        for mask in masks(colours, height, width):
            transform = MixtureTransform(colours, components)
            transform.edges.copy_(uneven_edges(colours))
            network = Given(size * torch.randn(1, transform.outputs(mask.changes), height, width))
            coupling = Coupling(mask, transform, network)
            x = torch.rand(3, mask.changes + getattr(mask, "seen", 0), height, width).double()
            if isinstance(mask, CornerMask):
                x = torch.rand(3, 4 * colours, height, width).double()
            made.append((copy.deepcopy(coupling).double(), CompiledCoupling(coupling), x))
    return made


def likely_images(flow: Inference) -> Tensor:
    """Samples, in the middles of their grey levels."""
    return unit_from_images(images_from_unit(flow.sample(20)), 0.5)


def run(coupling: CompiledCoupling, values: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
    out, log_dets = coupling.run(values.flatten(1).numpy(), inverse=inverse)
    return torch.from_numpy(out).view_as(values), torch.from_numpy(log_dets)


def test_elementary_functions_in_float64() -> None:
    x = np.linspace(-750, 750, 20001)
    sigmoid, exp = (njit(lambda x, f=f: f(x)) for f in (compiling.sigmoid64, compiling.exp64))
    wide = np.clip(x, -700, 700).astype(np.longdouble)
    assert np.abs(np.array([exp(one) for one in x]) / np.exp(wide) - 1).max() < 3 * EPS
    assert np.abs(np.array([sigmoid(one) for one in x]) * (1 + np.exp(-wide)) - 1).max() < 3 * EPS
    assert sigmoid(-np.inf) < 1e-300
    assert sigmoid(np.inf) == 1


def test_the_normal_distribution() -> None:
    shares = np.concatenate((np.geomspace(1e-300, 0.5, 2000), 1 - np.geomspace(EPS, 0.5, 2000)))
    quantile, cumulated = (njit(lambda x, f=f: f(x)) for f in (normal.quantile, normal.cumulated))
    z = np.array([quantile(share) for share in shares])
    exact = np.array([statistics.NormalDist().inv_cdf(share) for share in shares])
    np.testing.assert_allclose(z, exact, rtol=4 * EPS, atol=4 * EPS)
    back = np.array([cumulated(one) for one in z])
    np.testing.assert_allclose(back, shares, rtol=1e-12)


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("size", [0.5, 4.0])
def test_a_kernel_is_its_transform(colours: int, size: float) -> None:
    """In both directions, of the pixels that a mask has change; it leaves the others."""
    for plain, by_loops, x in couplings(colours, size):
        with torch.no_grad():
            y, log_det = plain(x)
            found, found_log_det = run(by_loops, x, inverse=False)
            torch.testing.assert_close(found, y, rtol=1e-7, atol=1e-7)
            torch.testing.assert_close(found_log_det, log_det, rtol=1e-7, atol=1e-6)
            z = torch.randn(x.shape, dtype=x.dtype)
            stays, _ = plain.mask.split(x)
            z = plain.mask.merge(stays, plain.mask.split(z)[1])
            back, inverse_log_det = plain.inverse_with_log_det(z)
            found, found_log_det = run(by_loops, z, inverse=True)
            torch.testing.assert_close(found, back, rtol=0, atol=1e-9)
            torch.testing.assert_close(found_log_det, inverse_log_det, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("size", [0.5, 4.0, 100.0])
def test_a_kernel_inverts_itself_also_at_the_edges_of_levels(size: float) -> None:
    """Of levels whose probability is little more than the least, too, and of the values 0 and 1."""
    for _, by_loops, x in couplings(3, size):
        levels = (256 * x).floor()
        for values in (x, levels / 256, (levels + 1 - 2**-16) / 256, torch.zeros_like(x), torch.ones_like(x)):
            z, log_det = run(by_loops, values, inverse=False)
            assert torch.isfinite(z).all()
            back, inverse_log_det = run(by_loops, z, inverse=True)
            torch.testing.assert_close(back, values, rtol=0, atol=1e-3 / 256)
            torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-9, atol=1e-6)
            assert torch.equal((back * 256 + 1e-9).floor().clamp(max=255), (values * 256).floor().clamp(max=255))


def test_far_latents_are_decoded_to_the_ends() -> None:
    for plain, by_loops, x in couplings(3, 2.0):
        for z in (8.5, -8.5, 40.0, -40.0):
            stays, moves = plain.mask.split(x)
            found, log_det = run(by_loops, plain.mask.merge(stays, torch.full_like(moves, z)), inverse=True)
            assert torch.isfinite(log_det).all()
            assert found.min() >= 0
            assert found.max() <= 1
            again, _ = run(by_loops, found, inverse=False)
            assert torch.isfinite(again).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 7), (8, 8), (9, 13)])
@pytest.mark.parametrize("blocks", [0, 2])
def test_networks_of_pixels(height: int, width: int, blocks: int) -> None:
    """On few pixels and on many; also where nothing is seen, whose output is the same for all images."""
    torch.manual_seed(height + width)
    shape = 3, height, width
    nothing = torch.zeros(height, width, dtype=torch.bool)
    made: list[Mask] = [PixelMask(shape, sees=nothing, changing=~nothing), *masks(3, height, width)]
    for mask, dtype in product(made, (torch.float32, torch.float64)):
        network = PixelNetwork(mask, 6, 7, [DepthwiseBlock(6, 0.2) for _ in range(blocks)], 0.2).requires_grad_(False)
        network = network.to(dtype)
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
        kernel = CompiledNetwork.of(network, mask)
        assert kernel is not None
        channels = 12 if isinstance(mask, CornerMask) else 3
        x = 1.2 * torch.rand(3, channels, height, width, dtype=torch.float64) - 0.1
        expected = network(mask.shown(mask.split(x)[0]).to(dtype))
        params = torch.from_numpy(kernel(x.flatten(1).numpy())).view_as(expected)
        tolerance = 1e-4 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(params, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("network", ["depthwise", "gated"])
def test_images_of_any_kind_are_decoded(shape: tuple[int, int, int], network: str) -> None:
    """Whatever the noise in their levels, by either form what either encoded; scores agree."""
    flow = trained(pyramid(shape, network=network), torch.float32)
    perturb(flow, size=0.1)
    plain, by_loops = Inference(flow), compiled(flow)
    assert type(next(iter(by_loops.body.scales[-1]))).__name__ == "CompiledChain"
    noise = torch.randint(0, 256, (6, *shape[1:], shape[0]), dtype=torch.uint8)
    images = torch.cat((noise, torch.zeros_like(noise[:1]), torch.full_like(noise[:1], 255)))
    for part in (0.0, 0.5, 1 - 2**-16):
        x = unit_from_images(images, torch.full(images.shape, part))
        for encoder in (plain, by_loops):
            z, log_det = encoder.encode(x)
            assert torch.isfinite(z).all()
            assert (encoder.decode(z) - x).abs().max() < 1e-6
            torch.testing.assert_close(encoder.decode_with_log_det(z)[1], -log_det, rtol=1e-9, atol=1e-6)
    torch.testing.assert_close(by_loops.bits_per_dim(images), plain.bits_per_dim(images), rtol=1e-5, atol=1e-5)


def test_what_one_form_encodes_the_other_decodes() -> None:
    """And what a batch encodes, images one by one decode: also of noise, whose levels are all improbable."""
    flow = trained(pyramid((3, 16, 16)), torch.float32)
    plain, by_loops = Inference(flow), compiled(flow)
    noise = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(5))
    for x in (likely_images(by_loops), noise):
        for encoder, decoder in ((plain, by_loops), (by_loops, plain), (plain, plain)):
            z = encoder.encode(x)[0]
            assert (decoder.decode(z) - x).abs().max() < 1e-3 / 256
            assert (torch.cat([decoder.decode(one) for one in z.split(1)]) - x).abs().max() < 1e-3 / 256
    z = plain.latents(60)
    torch.testing.assert_close(plain.decode(z), by_loops.decode(z), rtol=0, atol=1e-3 / 256)


def test_latents_rounded_to_float32_are_decoded() -> None:
    flow = compiled(trained(pyramid((3, 16, 16)), torch.float32))
    x = likely_images(flow)
    z = flow.encode(x)[0]
    assert (flow.decode(z.float()) - x).abs().max() < 0.1 / 256


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 7, 5)])
def test_an_image_is_mapped_to_the_same_bits_in_any_batch_and_by_any_threads(shape: tuple[int, int, int]) -> None:
    flow = compiled(trained(pyramid(shape), torch.float32))
    x = torch.rand(21, *shape, generator=torch.Generator().manual_seed(3))
    threads = torch.get_num_threads()
    answers = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            z, log_det = flow.encode(x)
            answers.append((z, log_det, flow.decode(z)))
            for some in ([0], [20], list(range(5, 16))):
                alone, alone_log_det = flow.encode(x[some])
                assert torch.equal(alone, z[some])
                assert torch.equal(alone_log_det, log_det[some])
                assert torch.equal(flow.decode(alone), answers[-1][2][some])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(one, other) for one, other in zip(*answers, strict=True))


def test_kernels_are_named_before_they_are_compiled() -> None:
    """What a pyramid with networks on few and on many pixels calls is all that `kernels` names."""
    flow = Inference(Flow(pyramid((3, 16, 16))))
    named = {kernel.__name__ for kernel in kernels(flow.body)}
    assert named == {"transform_by_mixtures", "features_of_levels", "network_params", "large_network_params"}
    assert {kernel.__name__ for kernel in kernels(Inference(Flow(pyramid((1, 5, 7), network="gated"))).body)} == {
        "transform_by_mixtures"
    }


def test_empty_batches_pass() -> None:
    flow = compiled(Flow(pyramid((3, 8, 8))))
    assert flow.encode(torch.zeros(0, 3, 8, 8))[0].shape == (0, 192)
    assert flow.sample(0).shape == (0, 3, 8, 8)


def test_a_fresh_pyramid_gives_each_image_a_finite_score() -> None:
    flow = compiled(Flow(pyramid((1, 28, 28))))
    assert all(math.isfinite(score) for score in flow.bits_per_dim(np.zeros((2, 28, 28, 1), np.uint8)))
