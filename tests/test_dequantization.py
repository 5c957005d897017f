"""The flow of the noise that images are dequantized with, as the ablation tries it."""

import math

import pytest
import torch
from torch import Tensor

from benchmarks.dequantization import VariationalDequantizer, variational_bits, variational_scores
from nvp_studio.flow.config import FlowConfig
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from tests.flow.jacobian import perturb, slogdet_of_jacobian, train_a_little


def levels_and_noise(channels: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(channels)
    levels = torch.randint(0, 256, (3, channels, 4, 4), generator=generator).to(dtype)
    return levels, torch.rand(3, channels, 4, 4, generator=generator, dtype=dtype)


def moved(channels: int, size: float = 0.1) -> VariationalDequantizer:
    """Away from its start."""
    torch.manual_seed(0)
    dequantizer = VariationalDequantizer(channels, width=6).double()
    perturb(dequantizer, size=size)
    return dequantizer


@pytest.mark.parametrize("channels", [1, 3])
def test_its_density_is_that_of_its_jacobian(channels: int) -> None:
    dequantizer = moved(channels)
    levels, noise = levels_and_noise(channels)
    with torch.no_grad():
        u, log_q = dequantizer(levels, noise)
    assert (u - noise).abs().max() > 0.05
    for one in range(len(levels)):  # uniform noise has density 1, what it is mapped to 1 over the volume's growth
        place = slice(one, one + 1)
        log_det = slogdet_of_jacobian(lambda v, place=place: dequantizer(levels[place], v)[0], noise[place])
        torch.testing.assert_close(log_q[place], -log_det, rtol=1e-8, atol=1e-8)


def test_it_depends_on_all_of_the_image() -> None:
    dequantizer = moved(1)
    levels, noise = levels_and_noise(1)
    levels.requires_grad_()
    (gradient,) = torch.autograd.grad(dequantizer(levels[:1], noise[:1])[1].sum(), levels)
    assert (gradient[0] != 0).all()


def test_it_starts_as_uniform_noise() -> None:
    dequantizer = VariationalDequantizer(3).double()
    levels, noise = levels_and_noise(3)
    with torch.no_grad():
        u, log_q = dequantizer(levels, noise)
    torch.testing.assert_close(u, noise, rtol=0, atol=1e-12)
    torch.testing.assert_close(log_q, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_value_stays_in_its_level(dtype: torch.dtype) -> None:
    """At the ends of the noise too, and far from the start."""
    dequantizer = moved(1, size=3.0).to(dtype)
    levels, noise = levels_and_noise(1, dtype)
    noise[0], noise[1] = 0.0, 1 - torch.finfo(dtype).eps / 2
    with torch.no_grad():
        u, log_q = dequantizer(levels, noise)
    assert u.min() >= 0
    assert 0.99 < u.max() < 1
    assert torch.isfinite(log_q).all()
    assert torch.equal((levels + u).floor(), levels)


def test_at_its_start_the_bound_is_the_uniform_one() -> None:
    flow = train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1, law="spline")))
    images = torch.randint(0, 256, (5, 4, 4, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    dequantizer = VariationalDequantizer(1)
    scores = variational_scores(flow, dequantizer, images, batch_size=2)
    torch.testing.assert_close(scores, Inference(flow).bits_per_dim(images), rtol=1e-5, atol=1e-5)


def test_its_bound_holds() -> None:
    """The mean of log P over noises is below log P, which is the log of the mean for this q and the uniform one."""
    flow = train_a_little(Flow(FlowConfig(image_shape=(1, 2, 2), scales=1, width=4, blocks=1)).double(), steps=20)
    dequantizer = moved(1)
    levels = torch.tensor([[10.0, 60.0], [120.0, 250.0]], dtype=torch.float64).expand(4000, 1, 2, 2)
    noise = torch.rand(4000, 1, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        uniform = -4 * math.log(2) * variational_bits(flow, VariationalDequantizer(1).double(), levels, noise)
        variational = -4 * math.log(2) * variational_bits(flow, dequantizer, levels, noise)
    exact, weighted = (torch.logsumexp(found, 0) - math.log(4000) for found in (uniform, variational))
    assert variational.mean() < exact
    assert weighted.item() == pytest.approx(exact.item(), abs=0.05)  # whatever q is
