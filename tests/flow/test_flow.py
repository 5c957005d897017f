"""Whole flows: exact inverse and log-determinant after training steps, densities that integrate to one, refusals."""

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nvp_studio.flow import Flow, FlowConfig, preset_config
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.acceleration import accelerate
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.networks import Convolution
from tests.flow.jacobian import slogdet_of_jacobian, train_a_little


@st.composite
def configs(draw: st.DrawFn) -> FlowConfig:
    scales = draw(st.integers(1, 3))
    unit = 2 ** (scales - 1)
    channels = draw(st.sampled_from([1, 3]))
    most = max(1, 48 // (channels * unit * unit))
    height, width = draw(st.sampled_from([(h, w) for h in (1, 2, 3) for w in (1, 2, 3) if h * w <= most] or [(1, 1)]))
    # Batch and weight normalization belong to the paper's residual networks.
    network = draw(st.sampled_from(["residual", "residual", "gated", "depthwise"]))
    published = network == "residual"
    return FlowConfig(
        image_shape=(channels, unit * height, unit * width),
        scales=scales,
        checkerboard_couplings=draw(st.integers(1, 2)),
        channel_couplings=draw(st.integers(1, 2)),
        final_couplings=draw(st.integers(1, 3)),
        blocks=draw(st.integers(0, 1)),
        width=draw(st.integers(2, 4)),
        doubling=draw(st.booleans()),
        checkerboard=draw(st.sampled_from(["masked", "packed"])),
        normalization=draw(st.sampled_from(["actnorm", "batch", "none"])),
        network=network,
        leak=draw(st.sampled_from([0.0, 0.1])),
        network_norm=draw(st.sampled_from(["batch", "none"])) if published else "none",
        weight_norm=draw(st.booleans()) and published,
        mixing=draw(st.sampled_from(["none", "conv1x1"])),
        law=draw(st.sampled_from(["affine", "spline"])),
        pieces=draw(st.integers(1, 3)),
        final_mask=draw(st.sampled_from(["checkerboard", "channel"]))
        if channels * 2 ** (scales - 1) > 1
        else "checkerboard",
        final_mixing=draw(st.booleans()),
        conditional_prior=draw(st.booleans()),
        equalize=draw(st.booleans()),
    )


@settings(max_examples=5)
@given(configs(), st.integers(0, 2**16))
def test_log_determinant_and_inverse_after_training_steps(config: FlowConfig, seed: int) -> None:
    check_log_determinant_and_inverse(config, seed)


@pytest.mark.slow
@settings(max_examples=50)
@given(configs(), st.integers(0, 2**16))
def test_log_determinant_and_inverse_of_many_flows(config: FlowConfig, seed: int) -> None:
    check_log_determinant_and_inverse(config, seed)


def check_log_determinant_and_inverse(config: FlowConfig, seed: int) -> None:
    torch.manual_seed(seed)
    flow = train_a_little(Flow(config).double(), seed=seed)
    x = torch.rand(2, *config.image_shape, dtype=torch.float64)
    with torch.no_grad():
        z, log_det = flow.encode(x)
        back, inverse_log_det = flow.decode_with_log_det(z)
    assert z.shape == (2, config.dimensions)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(inverse_log_det, -log_det, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: flow.encode(v)[0], x),
                               rtol=1e-8, atol=1e-8)  # fmt: skip
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(flow(x), prior + log_det)


@pytest.mark.slow_repeats
@pytest.mark.parametrize("preset", ["studio", "paper", "paper-cifar10", "quick", "large"])
def test_float32_inverse_at_full_depth(preset: str) -> None:
    torch.manual_seed(0)
    config = preset_config(preset, (3, 32, 32))
    # The deepest flow is trained at no more than its own learning rate.
    rate = 1e-3 if preset == "large" else 1e-2
    narrow = Flow(msgspec.structs.replace(config, width=min(config.width, 8)))
    flow = train_a_little(accelerate(narrow), steps=8, rate=rate)
    x = torch.rand(2, 3, 32, 32)  # where the flow has learnt nothing
    with torch.no_grad():
        back = flow.decode(flow.encode(x)[0])
    torch.testing.assert_close(back, x, rtol=0, atol=1e-4)


@pytest.mark.slow_repeats
def test_a_pyramid_of_full_depth_inverts_noise_with_values_in_float64() -> None:
    """In float32 it does not: an improbable level is narrower in z than its digits are."""
    torch.manual_seed(0)
    narrow = Flow(msgspec.structs.replace(preset_config("pyramid", (3, 32, 32)), width=8))
    flow = Inference(train_a_little(accelerate(narrow), steps=8, rate=1e-2))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        back = flow.decode(flow.encode(x)[0])
    torch.testing.assert_close(back, x, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("preset", "millions"), [("paper-cifar10", 6.4), ("paper", 46.3)])
def test_published_parameter_counts(preset: str, millions: float) -> None:
    with torch.device("meta"):
        flow = Flow(preset_config(preset, (3, 32, 32)))
    assert round(sum(p.numel() for p in flow.parameters()) / 1e6, 1) == millions


def test_paper_presets_have_the_published_scales_and_logit() -> None:
    assert (
        preset_config("paper-cifar10", (3, 32, 32)).logit_alpha
        == preset_config("paper", (3, 32, 32)).logit_alpha
        == 0.05
    )
    assert preset_config("paper-cifar10", (3, 32, 32)).scales == 2
    assert preset_config("paper", (3, 32, 32)).latent_scales[-1].shape[1:] == (4, 4)
    assert preset_config("paper", (3, 64, 64)).latent_scales[-1].shape[1:] == (4, 4)
    assert preset_config("paper", (3, 64, 64)).blocks == 2


@pytest.mark.parametrize("preset", ["studio", "pyramid", "large", "paper"])
def test_couplings_are_those_that_are_built(preset: str) -> None:
    for shape in ((3, 32, 32), (1, 28, 28), (3, 14, 10), (1, 5, 7), (3, 1, 1)):
        config = preset_config(preset, shape)
        with torch.device("meta"):
            built = [module for module in Flow(config).modules() if isinstance(module, Coupling)]
        assert config.couplings == len(built)


def test_density_of_one_pixel_integrates_to_one() -> None:
    for channels, points in ((1, 20001), (3, 61)):
        torch.manual_seed(1)
        config = FlowConfig(image_shape=(channels, 1, 1), scales=1, width=4, blocks=1)
        flow = train_a_little(Flow(config).double(), steps=20)
        # the decoder reaches beyond [0, 1] by a / (1 - 2a); all of the mass lies on the whole interval
        margin = config.logit_alpha / (1 - 2 * config.logit_alpha)
        axis = torch.linspace(-margin, 1 + margin, points, dtype=torch.float64)
        centres, step = (axis[1:] + axis[:-1]) / 2, axis[1] - axis[0]
        x = torch.cartesian_prod(*[centres] * channels).view(-1, channels, 1, 1)
        with torch.no_grad():
            mass = sum(torch.exp(flow(part)).sum() for part in x.split(50_000)) * step**channels
        assert mass == pytest.approx(1, abs=1e-6 if channels == 1 else 2e-2)


def test_scales_slice_z_finest_first() -> None:
    flow = Flow(FlowConfig(image_shape=(1, 28, 28), scales=3, width=2, blocks=0))
    assert [scale.shape for scale in flow.scales] == [(2, 14, 14), (4, 7, 7), (4, 7, 7)]
    assert [(scale.start, scale.stop) for scale in flow.scales] == [(0, 392), (392, 588), (588, 784)]


def test_factored_out_half_is_one_colour_of_the_checkerboard() -> None:
    config = FlowConfig(
        image_shape=(1, 4, 4), scales=2, normalization="none", width=2, blocks=0,
    )  # fmt: skip
    flow = Flow(config).double()  # couplings start as the identity
    x = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    with torch.no_grad():
        z = flow.encode(x)[0][0]
        y = flow.preprocessing(x)[0][0, 0]
    assert torch.equal(z[:4], y[0::2, 1::2].flatten())  # top right of each block
    assert torch.equal(z[4:8], y[1::2, 0::2].flatten())  # bottom left
    assert torch.equal(z[8:12], y[0::2, 0::2].flatten())  # top left goes on
    assert torch.equal(z[12:], y[1::2, 1::2].flatten())  # bottom right


def test_sizes_that_do_not_fit_name_sizes_that_would() -> None:
    with pytest.raises(ValueError, match=r"3 scales need sides divisible by 4, not 30x28; 28 or 32x28 would fit"):
        FlowConfig(image_shape=(1, 30, 28), scales=3)
    with pytest.raises(ValueError, match="4x4 would fit"):
        FlowConfig(image_shape=(1, 1, 1), scales=3)
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        FlowConfig(image_shape=(2, 8, 8))
    with pytest.raises(ValueError, match="no preset 'glow'"):
        preset_config("glow", (1, 8, 8))


def test_more_than_a_checkpoint_may_hold_is_not_built() -> None:
    for fields in ({"pieces": 65}, {"width": 5000}, {"channel_couplings": 65}, {"blocks": 64, "final_couplings": 64}):
        with pytest.raises(ValueError, match="must be at most"):
            FlowConfig(image_shape=(1, 8, 8), **fields)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sides must be at most 1024"):
        FlowConfig(image_shape=(1, 2048, 8))


def test_initialization_normalizes_every_layer_of_the_batch() -> None:
    torch.manual_seed(0)
    config = FlowConfig(image_shape=(1, 8, 8), scales=2, width=4, blocks=1)
    flow = Flow(config).double()
    x = torch.rand(64, 1, 8, 8, dtype=torch.float64)
    flow.initialize(x)
    z, _ = flow.encode(x)
    assert z.mean().abs().item() < 1e-6
    assert z.var().item() == pytest.approx(1, rel=1e-3)
    assert flow.training


@pytest.mark.filterwarnings("ignore:TF32")  # torch warns of another of its flags
def test_a_small_image_is_not_convolved_by_onednn_where_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("oneDNN was asked")

    layer, x = Convolution(3, 4, 3), torch.rand(1, 3, 4, 4)
    expected = layer(x)
    monkeypatch.setattr(torch, "mkldnn_convolution", refuse)
    with torch.backends.mkldnn.flags(enabled=False):
        torch.testing.assert_close(layer(x), expected)
