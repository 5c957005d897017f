"""A flow folded for inference is the flow, up to rounding, whatever is done to it afterwards."""

import copy

import msgspec
import pytest
import torch
from torch import Tensor

from nvp_studio.flow import Flow, FlowConfig, preset_config
from nvp_studio.flow.recording import recorded
from tests.flow.jacobian import perturb, slogdet_of_jacobian
from tests.flow.test_reversible import CONFIGS as LAYERS
from tests.flow.test_reversible import trained

CONFIGS = LAYERS | {
    "studio": preset_config("studio", (1, 28, 28)),
    "spline-colour": msgspec.structs.replace(LAYERS["conv1x1"], law="spline", pieces=1, conditional_prior=True),
    "batch": msgspec.structs.replace(LAYERS["spline"], mixing="conv1x1", normalization="batch"),
}


def images(config: FlowConfig, dtype: torch.dtype, count: int = 3) -> Tensor:
    """As those that the flows were trained on, amid their grey levels: between two, equalization is not smooth."""
    ramp = torch.linspace(0.2, 0.8, config.dimensions, dtype=dtype).view(1, *config.image_shape)
    noise = torch.rand(count, *config.image_shape, generator=torch.Generator().manual_seed(5), dtype=dtype)
    return ((0.7 * ramp + 0.3 * noise) * 256).floor() / 256 + 0.5 / 256


def answers(flow: Flow, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """All that a flow says of images x and latents z; what is in nats for each dimension."""
    dimensions = flow.config.dimensions
    with torch.no_grad():
        found, log_det = flow.encode(x)
        back, back_log_det = flow.decode_with_log_det(z)
        return {
            "z": found,
            "log_det": log_det / dimensions,
            "log_prob": flow.log_prob(x) / dimensions,
            "decoded": flow.decode(z),
            "decoded with log_det": back,
            "log_det of decoding": back_log_det / dimensions,
        }


def assert_same(found: Flow, expected: Flow, tolerance: float) -> None:
    """To `tolerance`; where rounding takes more from `expected`, to no more than twice what it takes there."""
    x = images(expected.config, expected.dtype)
    with torch.no_grad():
        z, _ = expected.encode(x)
    exact = answers(copy.deepcopy(expected).double(), x.double(), z.double())
    usual, folded = answers(expected, x, z), answers(found, x, z)
    for name, truth in exact.items():
        lost = (usual[name] - truth).abs().amax().item()
        error = (folded[name] - truth).abs().amax().item()
        assert error <= max(tolerance * (1 + truth.abs().amax().item()), 2 * lost), (name, error, lost)


@pytest.mark.slow_repeats
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_the_flow(name: str, dtype: torch.dtype, tolerance: float) -> None:
    flow = trained(CONFIGS[name], dtype).eval()
    assert_same(copy.deepcopy(flow).for_inference(), flow, tolerance)


@pytest.mark.parametrize("name", ["spline", "spline-colour", "conv1x1"])
def test_latents_beyond_the_data(name: str) -> None:
    flow = trained(CONFIGS[name], torch.float64).eval()
    z = 6 * flow.latents(4)
    with torch.no_grad():
        expected, log_det = flow.decode_with_log_det(z)
        found = copy.deepcopy(flow).for_inference()
        torch.testing.assert_close(found.decode(z), expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(found.decode_with_log_det(z)[1], log_det, rtol=1e-9, atol=1e-9)


def test_its_log_determinant_is_its_jacobians() -> None:
    flow = trained(LAYERS["spline"], torch.float64).for_inference()
    x = images(flow.config, torch.float64, 1)
    log_det = flow.encode(x)[1]
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: flow.encode(v)[0], x), rtol=1e-8, atol=1e-8)


def test_a_change_of_type_is_no_change_of_precision() -> None:
    flow = trained(CONFIGS["studio"], torch.float32).eval()
    found = copy.deepcopy(flow).for_inference()
    assert_same(found, flow, 1e-5)
    assert_same(found.double(), flow.double(), 1e-10)
    assert_same(copy.deepcopy(found), flow, 1e-10)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", CONFIGS)
def test_what_was_encoded_is_decoded(name: str) -> None:
    """To the rounding of pixels, with networks in float32, of noise and by weights that learnt nothing."""
    flow = trained(CONFIGS[name], torch.float32)
    perturb(flow, seed=3, size=0.05)
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(50, *flow.config.image_shape, generator=generator)
    flow.fold()
    z, log_det = flow.encode(x)
    assert (flow.dtype, z.dtype, log_det.dtype) == (torch.float32, torch.float64, torch.float64)
    torch.testing.assert_close(flow.decode(z), x, rtol=0, atol=1e-6)
    back, inverse_log_det = flow.decode_with_log_det(z)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-6, atol=1e-3)


def test_changed_weights_are_noticed() -> None:
    flow, other = (trained(CONFIGS["quick"], torch.float64).eval() for _ in range(2))
    perturb(other, size=0.01)
    found = copy.deepcopy(flow).for_inference()
    assert_same(found, flow, 1e-10)
    found.load_state_dict(other.state_dict())
    assert_same(found, other, 1e-10)
    perturb(found, seed=1, size=0.01)
    perturb(other, seed=1, size=0.01)
    assert_same(found, other, 1e-10)


def test_its_state_is_the_flows() -> None:
    flow = trained(CONFIGS["quick"], torch.float32)
    found = copy.deepcopy(flow).for_inference()
    found.decode(found.latents(1))
    assert [name for name, _ in found.named_modules()] == [name for name, _ in flow.named_modules()]
    assert all(torch.equal(found.state_dict()[name], tensor) for name, tensor in flow.state_dict().items())
    assert found.state_dict().keys() == flow.state_dict().keys()


@pytest.mark.parametrize("end", [lambda flow: flow.train(), lambda flow: flow.requires_grad_()])
def test_training_goes_on_from_it(end: object) -> None:
    assert callable(end)
    flow = trained(CONFIGS["quick"], torch.float64).for_inference()
    flow.decode(flow.latents(1))
    end(flow)
    flow.requires_grad_()
    flow.log_prob(images(flow.config, torch.float64)).sum().backward()
    assert all(parameter.grad is not None for parameter in flow.parameters())


def test_gradients_with_respect_to_images_and_latents() -> None:
    flow = trained(CONFIGS["quick"], torch.float64).eval().requires_grad_(False)
    found = copy.deepcopy(flow).for_inference()
    x = images(flow.config, torch.float64)
    with torch.no_grad():
        z, _ = flow.encode(x)
    gradients = []
    for each in (flow, found):
        pixels, latents = x.clone().requires_grad_(), z.clone().requires_grad_()
        (each.log_prob(pixels).sum() + each.decode(latents).square().sum()).backward()
        gradients.append((pixels.grad, latents.grad))
    for expected, got in zip(*gradients, strict=True):
        assert expected is not None
        assert got is not None
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


def test_gradients_pass_a_flow_that_answered_in_inference_mode() -> None:
    flow = trained(CONFIGS["conv1x1"], torch.float32).for_inference()
    z = flow.latents(2, seed=1)
    with torch.inference_mode():
        seen = flow.decode(z).clone()
    z = z.clone().requires_grad_()
    x = flow.decode(z)
    torch.testing.assert_close(x.detach(), seen)
    x.sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0


def test_a_flow_made_in_inference_mode_answers() -> None:
    with torch.inference_mode():
        flow = Flow(CONFIGS["conv1x1"]).for_inference()
        assert torch.isfinite(flow.sample(1)).all()


def test_assigned_weights_are_noticed() -> None:
    flow, other = trained(CONFIGS["conv1x1"], torch.float32).for_inference(), trained(CONFIGS["conv1x1"], torch.float32)
    perturb(other, seed=9, size=0.05)
    z = flow.latents(1, seed=1)
    flow.decode(z)
    flow.load_state_dict(other.state_dict(), assign=True)
    with torch.no_grad():
        torch.testing.assert_close(flow.decode(z), other.eval().decode(z), rtol=1e-4, atol=1e-4)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", ["studio", "quick", "spline-colour", "batch", "gated"])
def test_a_recorded_decoding_gives_the_same_bits(name: str) -> None:
    flow = trained(CONFIGS[name], torch.float32).for_inference()
    z = 1.5 * flow.latents(6, seed=1)
    with torch.inference_mode():
        expected = [flow.decode(one) for one in z.split(1)]
    flow.record_decoding()
    for grad in (torch.inference_mode, torch.no_grad):
        with grad():
            assert all(torch.equal(flow.decode(one), image) for one, image in zip(z.split(1), expected, strict=True))
            torch.testing.assert_close(flow.decode(z), torch.cat(expected))


def test_shapes_are_numbers_in_a_recording() -> None:
    seen: list[object] = []

    def rows(x: Tensor) -> Tensor:
        seen.extend(x.shape)
        return x.view(x.shape[0], -1) + x.shape[-1]

    example = torch.zeros(2, 3, 4)
    assert torch.equal(recorded(rows, example)(example + 1), torch.full((2, 12), 5.0))
    assert {type(number) for number in seen} == {int}


@pytest.mark.slow
def test_a_recording_ends_with_the_weights_it_was_made_of() -> None:
    flow, other = (trained(CONFIGS["quick"], torch.float32).for_inference() for _ in range(2))
    z = flow.latents(1)
    with torch.no_grad():
        flow.record_decoding()
        before = flow.decode(z)
        perturb(flow, size=0.05)
        perturb(other, size=0.05)
        assert not torch.equal(flow.decode(z), before)
        assert torch.equal(flow.decode(z), other.decode(z))
        assert flow.double().decode(z.double()).dtype == torch.float64


def test_gradients_go_past_a_recording() -> None:
    flow = trained(CONFIGS["quick"], torch.float32).for_inference()
    z = flow.latents(1).requires_grad_()
    (expected,) = torch.autograd.grad(flow.decode(z).sum(), z)
    flow.record_decoding()
    (found,) = torch.autograd.grad(flow.decode(z).sum(), z)
    assert torch.equal(found, expected)
    assert found.any()
