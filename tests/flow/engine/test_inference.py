"""A flow wrapped for inference gives what the flow gives, up to rounding, and refuses what is no question to it."""

import copy
import math
from collections.abc import Callable

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from nvp_studio.flow import Flow, FlowConfig, Inference, preset_config
from nvp_studio.flow.engine.acceleration import accelerate
from tests.flow.engine.test_reversible import CONFIGS as LAYERS
from tests.flow.engine.test_reversible import assert_same_gradients, flow_gradients, trained
from tests.flow.jacobian import perturb, slogdet_of_jacobian, train_a_little
from tests.flow.test_flow import configs

HALF_A_LEVEL = 1 / 512
"""An error below it leaves the 8-bit image as it is."""
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


def answers(flow: Flow | Inference, x: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Both directions for images x and latents z; what is in nats for each dimension."""
    dimensions = flow.config.dimensions
    with torch.no_grad():
        latents, log_det = flow.encode(x)
        back, back_log_det = flow.decode_with_log_det(z)
        return {
            "z": latents,
            "log_det": log_det / dimensions,
            "decoded": flow.decode(z),
            "decoded with log_det": back,
            "log_det of decoding": back_log_det / dimensions,
        }


def compiled(flow: Flow) -> Inference:
    """The flow with its couplings compiled."""
    inference = Inference(flow)
    inference.compile()
    return inference


def typical(difference: Tensor) -> float:
    """The median over images of the largest of each.

    Slopes of splines change within a bin, which may be narrow: in one of some hundreds of flows an image has a value
    whose slope rounding changes by more than the tolerance.
    """
    return difference.abs().view(len(difference), -1).amax(1).median().item()


@pytest.mark.slow_repeats
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_the_flow(name: str, dtype: torch.dtype, tolerance: float) -> None:
    """To `tolerance`; where rounding takes more from the plain flow, to ten times what it takes there.

    That it is the same map float64 tells; float32, that rounding costs no more than of the order of what it must.
    """
    flow = trained(CONFIGS[name], dtype).eval()
    x = images(flow.config, dtype)
    with torch.no_grad():
        z, _ = flow.encode(x)
    exact = answers(copy.deepcopy(flow).double(), x.double(), z.double())
    plain, wrapped = answers(flow, x, z), answers(Inference(flow), x, z)
    by_loops = answers(compiled(flow), x, z)
    for key, truth in exact.items():
        lost = typical(plain[key] - truth)
        for found in (wrapped, by_loops):
            error = typical(found[key] - truth)
            assert error <= max(tolerance * (1 + truth.abs().amax().item()), 10 * lost), (key, error, lost)


@settings(max_examples=8)
@given(configs(), st.integers(0, 2**16))
def test_any_flow_is_the_same_when_it_is_fast(config: FlowConfig, seed: int) -> None:
    check_that_fast_is_the_same(config, seed)


@pytest.mark.slow
@settings(max_examples=50)
@given(configs(), st.integers(0, 2**16))
def test_many_flows_are_the_same_when_they_are_fast(config: FlowConfig, seed: int) -> None:
    check_that_fast_is_the_same(config, seed)


def check_that_fast_is_the_same(config: FlowConfig, seed: int) -> None:
    """In float64: both directions of the inference, and the gradients of accelerated training."""
    torch.manual_seed(seed)
    flow = train_a_little(Flow(config).double(), seed=seed)
    flow.zero_grad(set_to_none=True)
    x = images(config, torch.float64, 2)
    with torch.no_grad():
        z, _ = flow.encode(x)
    accelerated = accelerate(copy.deepcopy(flow).train(), "constant" if seed % 2 else "fast")
    assert_same_gradients(flow_gradients(accelerated, x), flow_gradients(flow.train(), x), 1e-8)
    flow.eval()
    wrapped = answers(Inference(copy.deepcopy(flow)), x, z)
    for key, expected in answers(flow, x, z).items():
        torch.testing.assert_close(
            wrapped[key], expected, rtol=1e-9, atol=1e-9, msg=lambda text, key=key: f"{key}: {text}"
        )


@pytest.mark.parametrize("name", ["spline", "spline-colour", "conv1x1"])
def test_latents_beyond_the_data(name: str) -> None:
    flow = trained(CONFIGS[name], torch.float64).eval()
    z = 6 * Inference(copy.deepcopy(flow)).latents(4)
    with torch.no_grad():
        expected, log_det = flow.decode_with_log_det(z)
        wrapped = Inference(flow)
        torch.testing.assert_close(wrapped.decode(z), expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(wrapped.decode_with_log_det(z)[1], log_det, rtol=1e-9, atol=1e-9)


def test_its_log_determinant_is_its_jacobians() -> None:
    flow = Inference(trained(LAYERS["spline"], torch.float64))
    x = images(flow.config, torch.float64, 1)
    log_det = flow.encode(x)[1]
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: flow.encode(v)[0], x), rtol=1e-8, atol=1e-8)


def test_double_computes_in_float64_and_leaves_the_first_as_it_is() -> None:
    flow = trained(CONFIGS["studio"], torch.float32).eval()
    single = Inference(copy.deepcopy(flow))
    double = single.double()
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    x = images(flow.config, torch.float64)
    with torch.no_grad():
        expected, _ = flow.double().encode(x)
    torch.testing.assert_close(double.encode(x)[0], expected, rtol=0, atol=1e-9)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("wrap", [Inference, compiled])
def test_what_was_encoded_is_decoded(name: str, wrap: Callable[[Flow], Inference]) -> None:
    """To the rounding of pixels, with networks in float32, of noise and by weights that learnt nothing."""
    trained_flow = trained(CONFIGS[name], torch.float32)
    perturb(trained_flow, seed=3, size=0.05)
    generator = torch.Generator().manual_seed(2)
    flow = wrap(trained_flow)
    x = torch.rand(50, *flow.config.image_shape, generator=generator)
    z, log_det = flow.encode(x)
    assert (flow.dtype, z.dtype, log_det.dtype) == (torch.float32, torch.float64, torch.float64)
    back, inverse_log_det = flow.decode_with_log_det(z)
    for decoded in (flow.decode(z), back):
        errors = (decoded - x).abs().amax((1, 2, 3))
        assert errors.max() < HALF_A_LEVEL
        assert (errors < 1e-6).sum() > 40, "all but images with a value in the middle between two numbers of float32"
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-6, atol=1e-3)


def test_the_flows_state_is_untouched() -> None:
    flow = trained(CONFIGS["quick"], torch.float32)
    before = {name: tensor.clone() for name, tensor in flow.state_dict().items()}
    names = [name for name, _ in flow.named_modules()]
    wrapped = Inference(flow)
    wrapped.decode(wrapped.latents(1))
    assert [name for name, _ in flow.named_modules()] == names
    assert flow.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in flow.state_dict().items())


def test_the_wrapped_flow_can_be_trained_on() -> None:
    flow = Inference(trained(CONFIGS["quick"], torch.float64)).flow.train().requires_grad_()
    flow(images(flow.config, torch.float64)).sum().backward()
    assert all(parameter.grad is not None for parameter in flow.parameters())


def test_gradients_with_respect_to_images_and_latents() -> None:
    flow = trained(CONFIGS["quick"], torch.float64).eval().requires_grad_(False)
    x = images(flow.config, torch.float64)
    with torch.no_grad():
        z, _ = flow.encode(x)
    gradients = []
    for each in (flow, Inference(flow)):
        pixels, latents = x.clone().requires_grad_(), z.clone().requires_grad_()
        encoded, log_det = each.encode(pixels)
        (encoded.square().sum() + log_det.sum() + each.decode(latents).square().sum()).backward()
        gradients.append((pixels.grad, latents.grad))
    for expected, got in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-8)


def test_gradients_after_an_answer_in_inference_mode() -> None:
    flow = Inference(trained(CONFIGS["conv1x1"], torch.float32))
    z = flow.latents(2, seed=1)
    with torch.inference_mode():
        expected = flow.decode(z).clone()
    z = z.clone().requires_grad_()
    x = flow.decode(z)
    torch.testing.assert_close(x.detach(), expected)
    x.sum().backward()
    assert z.grad is not None
    assert z.grad.abs().sum() > 0


def test_a_flow_made_in_inference_mode_answers() -> None:
    with torch.inference_mode():
        assert torch.isfinite(Inference(Flow(CONFIGS["conv1x1"])).sample(1)).all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_input_is_refused_by_name(value: float) -> None:
    flow = Inference(Flow(FlowConfig(image_shape=(1, 4, 4), width=2, blocks=0)))
    x = torch.full((1, 1, 4, 4), 0.5)
    x[0, 0, 1, 2] = value
    with pytest.raises(ValueError, match=r"^x holds NaN or infinite values"):
        flow.encode(x)
    with pytest.raises(ValueError, match=r"^x holds NaN or infinite values"):
        flow.log_prob(x)
    with pytest.raises(ValueError, match=r"^z holds NaN or infinite values"):
        flow.decode(x.flatten(1))


def test_wrong_shapes_and_ranges_are_refused() -> None:
    flow = Inference(Flow(FlowConfig(image_shape=(1, 4, 4), width=2, blocks=0)))
    with pytest.raises(ValueError, match=r"x must have shape \(N, 1, 4, 4\), not \(2, 1, 4, 5\)"):
        flow.encode(torch.zeros(2, 1, 4, 5))
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\], not \[0, 255\]"):
        flow.encode(torch.linspace(0, 255, 16).view(1, 1, 4, 4))
    with pytest.raises(ValueError, match="z must have shape"):
        flow.decode(torch.zeros(1, 15))
    with pytest.raises(ValueError, match="2 temperatures for 1 scales"):
        Inference(Flow(FlowConfig(image_shape=(1, 4, 4), scales=1, width=2, blocks=0))).sample(1, (1.0, 1.0))
    with pytest.raises(ValueError, match="temperatures must be finite"):
        flow.sample(1, math.nan)


@pytest.mark.parametrize("network", ["residual", "gated", "depthwise"])
def test_empty_batches_pass(network: str) -> None:
    config = FlowConfig(image_shape=(3, 4, 4), width=2, blocks=1, law="spline", network=network)  # type: ignore[arg-type]
    plain = Flow(config)
    assert plain.encode(torch.zeros(0, 3, 4, 4))[0].shape == (0, 48)
    flow = Inference(plain)
    assert flow.encode(torch.zeros(0, 3, 4, 4))[0].shape == (0, 48)
    assert flow.sample(0).shape == (0, 3, 4, 4)


def test_samples_are_keyed_by_seed_and_index() -> None:
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1))))
    many, few = flow.sample(5, seed=3), flow.sample(2, seed=3)
    torch.testing.assert_close(many[:2], few)
    assert not torch.equal(many[0], many[1])
    assert not torch.equal(few, flow.sample(2, seed=4))
    assert many.min() >= 0
    assert many.max() <= 1


def test_temperature_scales_each_slice() -> None:
    flow = Inference(Flow(FlowConfig(image_shape=(1, 4, 4), scales=2, width=2, blocks=0)))
    z = flow.latents(3, seed=1)
    cooled = flow.latents(3, (0.5, 0.0), seed=1)
    assert torch.equal(cooled[:, :8], z[:, :8] * 0.5)
    assert not cooled[:, 8:].any()
    torch.testing.assert_close(flow.sample(3, 0.0), flow.sample(1, 0.0, seed=9).expand(3, -1, -1, -1))


def test_samples_have_the_density_they_are_given() -> None:
    # E[log p] of the model's own samples is minus its entropy: the same from x's side and from z's side
    flow = Inference(train_a_little(Flow(FlowConfig(image_shape=(1, 4, 4), width=4, blocks=1)).double(), steps=20))
    z = flow.latents(64, seed=2)
    with torch.no_grad():
        x, log_det = flow.decode_with_log_det(z)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        torch.testing.assert_close(flow.flow(x), prior - log_det)
