"""Steps of orthogonal matrices, and what they are taken for."""

import msgspec
import pytest
import torch

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.flow import Flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.muon import MOMENTUM, SIZE, Muon, matrices_of, orthogonal
from nvp_studio.training.train_state import TrainState
from tests.training.conftest import TINY


@pytest.mark.parametrize("shape", [(48, 96), (96, 48), (7, 7), (1, 5)])
def test_orthogonal_keeps_singular_vectors_and_levels_singular_values(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    left = torch.linalg.qr(torch.randn(3, shape[0], min(shape), dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(3, shape[1], min(shape), dtype=torch.float64))[0]
    values = torch.logspace(0, -1.5, min(shape), dtype=torch.float64)
    for size in (1e-9, 1.0, 1e9):
        found = orthogonal(size * (left * values) @ right.mT)
        assert found.shape == (3, *shape)
        core = left.mT @ found @ right
        leveled = core.diagonal(dim1=1, dim2=2)
        assert leveled.min() > 0.65
        assert leveled.max() < 1.25
        torch.testing.assert_close(core, torch.diag_embed(leveled), rtol=0, atol=1e-9)
        torch.testing.assert_close(found, left @ core @ right.mT, rtol=0, atol=1e-9)


def test_orthogonal_of_nothing_is_nothing() -> None:
    assert not orthogonal(torch.zeros(2, 3, 4)).any()


@pytest.mark.parametrize("size", [1e-18, 1e-22, 1e-30, 1e-42])
def test_orthogonal_of_what_has_decayed_is_finite(size: float) -> None:
    """The momentum of a network that hears no gradient any more; the squares of such numbers are zero in float32."""
    assert torch.isfinite(orthogonal(torch.full((1, 3, 4), size))).all()


def test_steps_are_those_of_the_definition_one_matrix_at_a_time() -> None:
    torch.manual_seed(0)
    shapes = [(6, 4, 1, 1), (4, 6, 1, 1), (6, 4, 1, 1), (8, 2, 3, 3), (5, 3)]
    start = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    together = [torch.nn.Parameter(each.clone()) for each in start]
    optimizer = Muon(together, lr=0.1)
    momenta = [torch.zeros_like(each) for each in start]
    for _ in range(3):
        for place, parameter in enumerate(together):
            gradient = torch.randn_like(parameter)
            parameter.grad = gradient.clone()
            momenta[place] = MOMENTUM * momenta[place] + (1 - MOMENTUM) * gradient
            ahead = (MOMENTUM * momenta[place] + (1 - MOMENTUM) * gradient).flatten(1)
            step = SIZE * max(ahead.shape) ** 0.5 * orthogonal(ahead[None])[0]
            start[place] = start[place] - 0.1 * step.view_as(parameter)
        optimizer.step()
    for parameter, expected in zip(together, start, strict=True):
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-10, atol=1e-12)


def test_a_parameter_without_gradient_stays() -> None:
    one, other = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    one.grad = torch.eye(2)
    Muon([one, other], lr=0.1).step()
    assert (one != 1).any()
    assert (other == 1).all()


@pytest.mark.parametrize(
    ("flow", "learnt"),
    [
        (preset_config("studio", (1, 8, 8)), {"enter.weight", "widen.weight", "narrow.weight"}),
        (preset_config("paper", (1, 8, 8)), set()),
        (
            msgspec.structs.replace(TINY, network="gated"),
            {"enter.weight", "first.weight", "second.weight"},
        ),
    ],
    ids=["studio", "paper", "gated"],
)
def test_matrices_are_weights_between_feature_maps(flow: FlowConfig, learnt: set[str]) -> None:
    built = Flow(flow)
    taken = {id(p) for p in matrices_of(built)}
    names = [name for name, p in built.named_parameters() if id(p) in taken]
    assert {".".join(name.split(".")[-2:]) for name in names} == learnt
    assert all(".network." in name for name in names)


@pytest.mark.parametrize("flow", [TINY, preset_config("paper", (1, 8, 8))], ids=["residual", "weight-normalized"])
def test_every_parameter_learns_once(flow: FlowConfig) -> None:
    state = TrainState(Flow(flow), TrainConfig(steps=1, optimizer="muon"))
    learning = [p for one in state.optimizers for group in one.param_groups for p in group["params"]]
    assert len(learning) == len({id(p) for p in learning})
    assert {id(p) for p in learning} == {id(p) for p in state.flow.parameters()}
