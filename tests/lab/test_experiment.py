"""Flows of points: Jacobians, densities, measured areas, training, and what experiments answer."""

import numpy as np
import pytest
import torch

from nvp_studio.flow.engine.fused_point_network import run_fused
from nvp_studio.flow.point_network import PointNetwork
from nvp_studio.lab.experiment import Experiment
from nvp_studio.lab.model import PointFlow
from nvp_studio.lab.settings import TOYS, LabFile, LabSettings, Law, Mask, ToyName, file_content, read_settings
from nvp_studio.lab.toys import draw_toy, known_log_density
from tests.flow.jacobian import check_bijection, perturb, slogdet_of_jacobian


def plane(half: float, count: int) -> tuple[np.ndarray, float]:
    """The middles (count^2, 2) of the cells of a square grid from -half to half, and the area of a cell."""
    middles = (np.arange(count) + 0.5) / count * 2 * half - half
    return np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2), (2 * half / count) ** 2


def trained(settings: LabSettings, steps: int) -> Experiment:
    experiment = Experiment(settings)
    for _ in range(steps):
        experiment.step()
    return experiment


def test_the_fused_network_has_the_values_and_gradients_of_the_plain_one() -> None:
    network = PointNetwork(1, 5, 4).double()
    perturb(network)
    x = 8 * torch.randn(20, 1, 1, 1, dtype=torch.float64)  # some beyond the clamp
    x.requires_grad_()
    fused, plain = run_fused(network, x), network(x)
    torch.testing.assert_close(fused, plain)
    wanted = [x, *network.parameters()]
    gradients = torch.autograd.grad(fused.square().sum(), wanted)
    torch.testing.assert_close(gradients, torch.autograd.grad(plain.square().sum(), wanted))


@pytest.mark.parametrize("law", ["affine", "spline"])
@pytest.mark.parametrize("mask", ["alternate", "mixed", "same"])
def test_log_determinants_are_those_of_the_jacobian(law: Law, mask: Mask) -> None:
    torch.manual_seed(0)
    flow = PointFlow(LabSettings(law=law, mask=mask, couplings=3, width=8)).double()
    perturb(flow)
    x = torch.randn(5, 2, 1, 1, dtype=torch.float64)
    for layer in (*flow.body, flow.body):
        check_bijection(layer, x)
    points = x.flatten(1)
    for values, backwards in ((points, False), (flow.stages(points)[0][-1].detach(), True)):
        places, log_dets = flow.stages(values, backwards=backwards)
        assert places.shape == (len(flow.names) + 1, 5, 2)
        for stage in range(1, len(places)):
            jacobian = slogdet_of_jacobian(
                lambda v, k=stage, b=backwards: flow.stages(v, backwards=b)[0][k],  # type: ignore[misc]
                values,
            )
            torch.testing.assert_close(log_dets[stage], jacobian, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("law", ["affine", pytest.param("spline", marks=pytest.mark.slow)])
def test_the_density_of_a_trained_flow_integrates_to_one(name: ToyName, law: Law) -> None:
    experiment = trained(LabSettings(data=name, law=law, couplings=4, width=16), 60)
    points, area = plane(6, 240)
    assert np.exp(experiment.log_density(points)).sum() * area == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["moons", "gaussians"])
def test_a_known_density_integrates_to_one_and_is_that_of_the_points(name: str) -> None:
    points, area = plane(4, 100)
    density = np.exp(known_log_density(name, points))
    assert density.sum() * area == pytest.approx(1, abs=1e-3)
    drawn = draw_toy(name, 40_000, np.random.default_rng(0))
    quadrant = (drawn > 0).all(1).mean()
    assert density[(points > 0).all(1)].sum() * area == pytest.approx(quadrant, abs=0.03)


@pytest.mark.parametrize("law", ["affine", "spline"])
def test_the_determinant_is_the_measured_ratio_of_areas(law: Law) -> None:
    experiment = trained(LabSettings(law=law, couplings=4, width=16), 60)
    corners = 1e-5 * np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    middles = experiment.data(50, np.random.default_rng(1))
    squares = (middles[:, np.newaxis] + corners - corners.mean(0)).reshape(-1, 2)
    for backwards, values in ((False, squares), (True, squares)):
        places, _ = experiment.stages(values, backwards=backwards)
        _, log_dets = experiment.stages(middles, backwards=backwards)
        quads = places.reshape(len(places), 50, 4, 2)
        first, second = quads[:, :, 2] - quads[:, :, 0], quads[:, :, 3] - quads[:, :, 1]
        areas = np.abs(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]) / 2
        off = np.abs(areas / areas[0] / np.exp(log_dets) - 1)
        assert np.median(off) < 1e-3  # a square may lie on a corner of a leaky ReLU, where the slope jumps
        assert np.quantile(off, 0.9) < 0.02


def test_latents_of_samples_are_those_that_were_drawn() -> None:
    experiment = trained(LabSettings(couplings=4, width=16), 60)
    samples = experiment.samples(500, seed=3)
    assert np.array_equal(samples, experiment.samples(500, seed=3))
    latents = experiment.stages(samples)[0][-1]
    np.testing.assert_allclose(latents, np.random.default_rng(3).standard_normal((500, 2)), atol=1e-6)


@pytest.mark.parametrize("law", ["affine", "spline"])
def test_training_comes_near_the_known_density(law: Law) -> None:
    experiment = trained(LabSettings(data="gaussians", law=law, couplings=4, width=16), 1)
    points = draw_toy("gaussians", 4000, np.random.default_rng(5))
    known = known_log_density("gaussians", points)
    before = (known - experiment.log_density(points)).mean()
    for _ in range(300):
        experiment.step()
    after = (known - experiment.log_density(points)).mean()
    assert 0 < after < before / 2


def test_equal_settings_train_equally_and_the_seed_matters() -> None:
    settings = LabSettings(couplings=2, width=8)
    first, again = trained(settings, 5), trained(settings, 5)
    torch.rand(3)  # others draw from torch's generator too
    points, _ = plane(2, 10)
    assert np.array_equal(first.log_density(points), again.log_density(points))
    other = trained(LabSettings(couplings=2, width=8, seed=1), 5)
    assert not np.array_equal(first.log_density(points), other.log_density(points))


def test_a_step_whose_loss_is_not_finite_changes_nothing() -> None:
    experiment = trained(LabSettings(couplings=2, width=8), 3)
    points, _ = plane(2, 10)
    before = experiment.log_density(points)
    experiment._batches = [torch.full((256, 2), torch.nan)]
    assert not np.isfinite(experiment.step())
    assert np.array_equal(experiment.log_density(points), before)
    assert np.isfinite(experiment.step())


def test_settings_come_back_from_their_file() -> None:
    file = LabFile(settings=LabSettings(data="points", couplings=3), points=((0.0, 1.0), (2.0, 3.5)))
    assert read_settings(file_content(file)) == file


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"kind": "nvp-studio-lab", "version": 1, "settings": {"couplings": 100000}}',
        b'{"kind": "nvp-studio-lab", "version": 2, "settings": {}}',
        b'{"kind": "nvp-studio-lab", "version": 1, "settings": {"data": "/etc/passwd"}}',
        b'{"kind": "nvp-studio-lab", "version": 1, "settings": {"learning_rate": 1e999}}',
        b'{"kind": "nvp-studio-lab", "version": 1, "settings": {}, "points": [[1, 2, 3]]}',
        b'{"kind": "something", "settings": {}}',
    ],
)
def test_a_file_that_holds_something_else_is_refused_in_plain_words(content: bytes) -> None:
    with pytest.raises(ValueError, match="this file holds no settings of Lab"):
        read_settings(content)
