"""What a flow holds by arithmetic: what it holds once it is built, whatever the configuration."""

import itertools
import random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nvp_studio.flow.config import NEEDED_BY_LEVELS, PRESETS, FlowConfig, preset_config
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.inventory import largest_activation_bytes, state_entries

CHOICES: dict[str, list[Any]] = {
    "image_shape": [(1, 8, 8), (3, 8, 4), (3, 12, 4)],
    "scales": [1, 2, 3],
    "checkerboard_couplings": [0, 1, 2],
    "channel_couplings": [0, 1, 3],
    "final_couplings": [0, 1, 3],
    "blocks": [0, 1, 2],
    "width": [1, 5],
    "doubling": [True, False],
    "checkerboard": ["masked", "packed"],
    "normalization": ["actnorm", "batch", "none"],
    "network_norm": ["batch", "none"],
    "weight_norm": [True, False],
    "mixing": ["none", "conv1x1"],
    "law": ["affine", "spline", "levels"],
    "pieces": [1, 2, 5],
    "network": ["residual", "gated", "depthwise"],
    "final_mask": ["checkerboard", "channel"],
    "final_mixing": [False, True],
    "conditional_prior": [True, False],
    "leak": [0.0, 0.1],
    "equalize": [False, True],
}


@pytest.fixture(autouse=True)
def _without_first_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the random weights of the convolutions, which take most of the time."""
    monkeypatch.setattr(nn.Conv2d, "reset_parameters", lambda self: None)


def random_configs(count: int) -> list[FlowConfig]:
    chance = random.Random(4)
    found: list[FlowConfig] = []
    while len(found) < count:
        fields = {name: chance.choice(values) for name, values in CHOICES.items()}
        if fields["network"] != "residual":
            fields |= {"network_norm": "none", "weight_norm": False}
        if fields["image_shape"][0] == 1 and fields["scales"] == 1:
            fields["final_mask"] = "checkerboard"  # one channel cannot be halved
        if fields["law"] == "levels":
            fields |= NEEDED_BY_LEVELS
            fields["network"] = chance.choice(["gated", "depthwise"])
        found.append(FlowConfig(**fields))
    return found


def check(config: FlowConfig) -> None:
    flow = Flow(config)
    entries = list(state_entries(config))
    built = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in flow.state_dict().items()}
    assert {entry.name: (entry.dtype, entry.shape) for entry in entries} == built, config
    assert len(entries) == len(built)
    trained = {name for name, _ in flow.named_parameters()}
    assert {entry.name for entry in entries if entry.trained} == trained, config


def test_it_is_the_state_of_the_flow() -> None:
    for config in random_configs(120):
        check(config)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_too(preset: str) -> None:
    check(preset_config(preset, (3, 28, 28)))


def test_no_network_makes_a_larger_tensor_than_is_foreseen() -> None:
    for config in random_configs(30):
        flow = Flow(config).eval()
        largest = 4 * config.dimensions

        def measure(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            nonlocal largest
            largest = max(largest, *(tensor.numel() * tensor.itemsize for tensor in (*inputs, output)))

        for name, module in flow.named_modules():
            if "network" in name:
                module.register_forward_hook(measure)
        with torch.no_grad():
            flow(torch.rand(1, *config.image_shape))
        assert largest <= largest_activation_bytes(config) <= 2 * largest, config


def test_a_vast_configuration_is_looked_at_piece_by_piece() -> None:
    config = FlowConfig(
        image_shape=(3, 1024, 1024), scales=9, width=4096, blocks=60, final_couplings=8, checkerboard_couplings=2,
        channel_couplings=2, mixing="conv1x1", law="spline", pieces=64,
    )  # fmt: skip
    assert len(list(itertools.islice(state_entries(config), 100))) == 100
    assert largest_activation_bytes(config) == 2**33
