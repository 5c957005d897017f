"""What the examination of a model finds in layers that were spoilt on purpose, and that it names them."""

import math

import msgspec
import pytest
import torch

from nvp_studio.explore.health import examine
from nvp_studio.explore.health_report import Health
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.walk import Walk
from nvp_studio.flow.mixing import InvertibleConv1x1
from tests.explore.test_ledger import opened
from tests.small_model import random_images, small_config

CONFIG = msgspec.structs.replace(small_config((1, 16, 16)), scales=3)


def named(health: Health, word: str) -> list[str]:
    return [one.layer for one in health.findings if word in one.text]


def test_a_model_without_faults_is_sound() -> None:
    model = opened(CONFIG)
    health = examine(model, random_images(4, (1, 16, 16)))
    assert health.sound
    assert health.images == 4
    assert not [one for one in health.findings if one.level == "problem"]
    stages = list(Walk(model.flow).stages(torch.full((1, 1, 16, 16), 0.5)))
    assert [one.layer for one in health.layers] == [stage.name for stage in stages]
    assert max(one.inverse_error or 0 for one in health.layers) < 1e-9
    conditions = [one.condition for one in health.layers if one.layer.startswith("mixing")]
    assert len(conditions) == 4
    assert all(value is not None and 1 <= value < 10 for value in conditions)


def test_a_nearly_singular_mixing_is_named() -> None:
    model = opened(CONFIG)
    mixing = [layer for layer in model.flow.flow.body.scales[1].modules() if isinstance(layer, InvertibleConv1x1)]
    with torch.no_grad():
        mixing[1].log_diagonal[0] = -12.0
    health = examine(model, random_images(2, (1, 16, 16)))
    assert not health.sound
    assert named(health, "nearly singular") == ["mixing 2 of scale 2"]


def test_saturated_scales_and_dead_feature_maps_are_named() -> None:
    model = opened(CONFIG)
    couplings = [layer for layer in model.flow.flow.body.scales[1].modules() if isinstance(layer, Coupling)]
    with torch.no_grad():
        network = couplings[2].network
        for block in network.blocks:
            block.second_norm = torch.nn.Identity()
            block.first.bias.fill_(-1e3)
        couplings[0].network.leave.bias[:2] = 50.0  # s of the first of two parameters
    health = examine(model, random_images(2, (1, 16, 16)))
    assert named(health, "at their bound") == ["coupling 1 of scale 2"]
    assert named(health, "dead feature maps") == ["coupling 3 of scale 2"]


def test_a_layer_that_is_not_finite_is_a_problem_and_the_only_finding() -> None:
    model = opened(CONFIG)
    couplings = [layer for layer in model.flow.flow.body.scales[2].modules() if isinstance(layer, Coupling)]
    with torch.no_grad():
        couplings[1].network.leave.bias[0] = math.nan
    health = examine(model, random_images(2, (1, 16, 16)))
    assert not health.sound
    assert health.findings[-1].layer == "coupling 2 of scale 3"
    assert "not finite" in health.findings[-1].text


@pytest.mark.parametrize("law", ["affine", "spline"])
def test_without_images_samples_are_examined(law: str) -> None:
    model = opened(msgspec.structs.replace(CONFIG, law=law))
    health = examine(model)
    assert health.images == 16
    couplings = [one for one in health.layers if one.layer.startswith("coupling")]
    assert all((one.outside is None) == (law == "affine") for one in couplings)
    assert all(0 < (one.slope_low or 0) < (one.slope_high or 0) for one in couplings)
