"""Own samples that are made to score as images do: the gradient, the weight, stops and resumes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.training.augmentation import NO_AUGMENTATION
from nvp_studio.training.batches import Batches, OwnSamples
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.own_samples import BEGINS, bits_of_own_samples, match_samples, own_sample_count
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import read_metrics
from nvp_studio.training.start import start_run
from tests.training.conftest import TINY, bars
from tests.training.test_resume import assert_same_run, start_until

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def flow() -> Flow:
    torch.manual_seed(0)
    flow = Flow(TINY).double()
    flow.initialize(torch.rand(32, 1, 8, 8, dtype=torch.float64))
    for parameter in flow.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return flow


def drawn(count: int) -> OwnSamples:
    batches = Batches(bars(20, 0), 4 * count, 0, augmentation=NO_AUGMENTATION, device=torch.device("cpu"))
    latents, noise = batches.own_samples(3, 0, (0, count))
    return OwnSamples(latents.double(), noise.double())


def test_the_gradient_passes_through_decoder_and_density(flow: Flow) -> None:
    """Against a difference quotient along a random direction, with what the rounding adds to x held fixed."""
    samples = drawn(3)
    with torch.no_grad():
        x = flow.decode(samples.latents)
        added = unit_from_images(images_from_unit(x), samples.noise) - x

    def bits() -> Tensor:
        x = flow.decode(samples.latents) + added
        return bits_per_dim_from_log_prob(flow(x), flow.config.dimensions).mean()

    computed = bits_of_own_samples(flow, samples).mean()
    assert torch.allclose(computed, bits(), atol=1e-12)
    parameters = list(flow.parameters())
    gradients = torch.autograd.grad(computed, parameters)
    directions = [torch.randn_like(parameter) for parameter in parameters]
    expected = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    step = 1e-6
    values = []
    with torch.no_grad():
        for sign in (1, -2):
            for parameter, direction in zip(parameters, directions, strict=True):
                parameter += sign * step * direction
            values.append(bits())
    assert abs((values[0] - values[1]) / (2 * step) - expected) < 1e-4 * abs(expected)


def test_samples_are_scored_as_the_program_scores_them(flow: Flow) -> None:
    samples = drawn(4)
    images = images_from_unit(flow.decode(samples.latents).detach())
    x = unit_from_images(images, samples.noise)
    assert torch.allclose(bits_of_own_samples(flow, samples), bits_per_dim_from_log_prob(flow(x), 64), atol=1e-12)


def gradients_after(flow: Flow, gap: float, parts: list[OwnSamples], weight: float = 0.5) -> list[Tensor]:
    """Those of images that score 3, with matched samples added."""
    parameters = list(flow.parameters())
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    images = torch.tensor(3.0, dtype=torch.float64)
    settings = {"count": sum(len(part.latents) for part in parts), "weight": weight, "images": images}
    match_samples(flow, parameters, parts, gap=torch.tensor(gap, dtype=torch.float64), **settings)
    return [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]


def test_parts_of_the_samples_add_up_to_the_whole(flow: Flow) -> None:
    whole = drawn(4)
    parts = [OwnSamples(*(part[places] for part in whole)) for places in (slice(0, 1), slice(1, 4), slice(4, 4))]
    for one, other in zip(gradients_after(flow, 0.1, [whole]), gradients_after(flow, 0.1, parts), strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_equal_scores_add_nothing_and_better_ones_turn_the_gradient_round(flow: Flow) -> None:
    added = {gap: [g - 1 for g in gradients_after(flow, gap, [drawn(4)], 1e-3)] for gap in (0.0, 0.2, -0.2)}
    assert all((g == 0).all() for g in added[0.0])
    assert any((g != 0).any() for g in added[0.2])
    for worse, better in zip(added[0.2], added[-0.2], strict=True):
        assert torch.allclose(worse, -better, atol=1e-12)


def test_the_added_gradient_is_no_longer_than_that_of_the_images(flow: Flow) -> None:
    count = sum(parameter.numel() for parameter in flow.parameters())
    added = [g - 1 for g in gradients_after(flow, 1.0, [drawn(4)], weight=1e9)]
    assert sum((g**2).sum() for g in added) == pytest.approx(count, rel=1e-6)


def test_samples_without_a_finite_score_add_nothing(flow: Flow) -> None:
    bad = OwnSamples(torch.full((2, 64), torch.nan, dtype=torch.float64), drawn(2).noise)
    assert all((g == 1).all() for g in gradients_after(flow, 1.0, [bad]))


def test_samples_are_matched_late_in_a_run_that_asks_for_it(make_config: MakeConfig) -> None:
    config = make_config(match_samples=0.3, batch_size=16)
    assert own_sample_count(config, BEGINS - 0.01) == 0
    assert own_sample_count(config, BEGINS) == 4
    assert own_sample_count(make_config(match_samples=0.3, batch_size=2), 1.0) == 1
    assert own_sample_count(make_config(), 1.0) == 0


def test_a_stop_among_steps_that_match_samples_changes_nothing(tmp_path: Path, make_config: MakeConfig) -> None:
    config = make_config(match_samples=0.5, steps=16, accumulate=2)
    whole = start_run(config, tmp_path, "whole")
    parts = start_until(14, config, tmp_path)
    resume_run(parts)
    assert_same_run(whole, parts)
    plain = start_run(make_config(steps=16, accumulate=2), tmp_path, "plain")
    losses = [[one.train for one in read_metrics(folder)] for folder in (whole, plain)]
    assert losses[0][:11] == losses[1][:11]
    assert losses[0][12:] != losses[1][12:]


def test_steps_along_the_added_gradient_bring_the_scores_together(flow: Flow) -> None:
    parameters = list(flow.parameters())
    samples = drawn(16)
    images = bits_of_own_samples(flow, samples).mean().detach() - 0.3
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    gap = torch.zeros((), dtype=torch.float64)
    gaps = []
    for _ in range(120):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        gap = match_samples(flow, parameters, [samples], count=16, weight=1.0, gap=gap, images=images)
        for parameter in parameters:
            assert parameter.grad is not None
            parameter.grad -= 1
        optimizer.step()
        gaps.append((bits_of_own_samples(flow, samples).mean() - images).item())
    assert abs(sum(gaps[-20:]) / 20) < 0.15
