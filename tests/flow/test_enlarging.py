"""The same weights on larger images."""

import msgspec
import pytest
import torch

from nvp_studio.flow.config import PRESETS, FlowConfig, preset_config
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.enlarging import enlarged
from nvp_studio.flow.flow import Flow
from tests.small_model import moved_flow, small_config, small_pyramid

SMALL = small_config()
CONFIGS = {
    "small": SMALL,
    "colour, not square": small_config((3, 8, 12)),
    "odd sides": small_config((1, 10, 6)),
    "masked": msgspec.structs.replace(SMALL, checkerboard="masked", network_norm="batch", weight_norm=True),
    "spline": msgspec.structs.replace(SMALL, law="spline", network="depthwise", leak=0.1, equalize=True),
    "gated": msgspec.structs.replace(SMALL, network="gated", conditional_prior=True, final_mask="channel"),
}


def larger(config: FlowConfig, factor: int = 2) -> tuple[int, int, int]:
    channels, height, width = config.image_shape
    return channels, factor * height, factor * width


@pytest.mark.parametrize("name", CONFIGS)
def test_a_flow_of_every_kind_is_a_bijection_of_larger_images(name: str) -> None:
    flow = moved_flow(CONFIGS[name]).eval().double()
    big = enlarged(flow, 2)
    assert big.config.image_shape == larger(flow.config)
    assert flow.config == CONFIGS[name]
    x = torch.rand(2, *big.config.image_shape, dtype=torch.float64)
    z, log_det = big.encode(x)
    assert z.shape == (2, big.config.dimensions)
    back, inverse_log_det = big.decode_with_log_det(z)
    assert torch.allclose(back, x, atol=1e-6)
    assert torch.allclose(inverse_log_det, -log_det, atol=1e-4)
    small = torch.rand(2, *flow.config.image_shape, dtype=torch.float64)
    assert torch.allclose(flow.decode(flow.encode(small)[0]), small, atol=1e-6)


def test_the_log_determinant_is_that_of_the_jacobian() -> None:
    flow = enlarged(moved_flow(CONFIGS["odd sides"]).eval().double(), 2)
    x = torch.rand(1, *flow.config.image_shape, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda one: flow.encode(one)[0], x)
    size = flow.config.dimensions
    expected = torch.linalg.slogdet(jacobian.reshape(size, size)).logabsdet
    assert flow.encode(x)[1].item() == pytest.approx(expected.item(), rel=1e-8)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "odd sides"])
def test_it_is_the_flow_that_the_larger_configuration_describes(name: str) -> None:
    flow = moved_flow(CONFIGS[name]).eval()
    built = Flow(msgspec.structs.replace(flow.config, image_shape=larger(flow.config)))
    built.load_state_dict(flow.state_dict())
    x = torch.rand(2, *built.config.image_shape)
    assert torch.equal(built.eval().encode(x)[0], enlarged(flow, 2).encode(x)[0])


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "pyramid"])
def test_every_preset_but_one_can_be_enlarged_with_the_weights_that_it_has(preset: str) -> None:
    with torch.device("meta"):
        flow = Flow(preset_config(preset, (1, 28, 28)))
    big = enlarged(flow, 2)
    assert all(one is other for one, other in zip(flow.parameters(), big.parameters(), strict=True))
    assert big.config.dimensions == 4 * flow.config.dimensions


def test_inference_folds_and_compiles_a_larger_flow() -> None:
    flow = enlarged(moved_flow(CONFIGS["spline"]).eval(), 2)
    inference = Inference(flow)
    z = inference.latents(2, seed=3)
    plain = inference.decode(z)
    assert torch.allclose(plain, flow.decode(z.float()), atol=1e-3)
    inference.compile()
    assert torch.allclose(inference.decode(z), plain, atol=1e-3)


def test_sides_beyond_the_limit_are_refused() -> None:
    with torch.device("meta"):
        flow = Flow(preset_config("quick", (1, 128, 64)))
    with pytest.raises(ValueError, match="sides must be at most 1024"):
        enlarged(flow, 10)


def test_a_flow_whose_networks_know_the_place_is_refused() -> None:
    with pytest.raises(ValueError, match="has no larger pictures"):
        enlarged(moved_flow(small_pyramid()), 2)
