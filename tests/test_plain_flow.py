"""The flow that throughput is compared with computes the same function, from code of its own."""

import msgspec
import pytest
import torch
from torch import Tensor

from benchmarks.plain_flow import PlainActNorm, PlainChannelWise, PlainCheckerboard, PlainConv1x1, PlainFlow
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.coupling import ChannelCoupling, MaskedCheckerboardCoupling
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.normalization import ActNorm
from tests.flow.jacobian import slogdet_of_jacobian, train_a_little

BASE = FlowConfig(
    image_shape=(1, 4, 4),
    scales=2,
    checkerboard_couplings=2,
    channel_couplings=2,
    final_couplings=2,
    blocks=1,
    width=4,
    checkerboard="masked",
    mixing="conv1x1",
)
CONFIGS = {
    "affine": BASE,
    "spline": msgspec.structs.replace(BASE, law="spline", pieces=4, network="depthwise", leak=0.1),
    "mixed": msgspec.structs.replace(BASE, final_mixing=True),
    "gated": msgspec.structs.replace(BASE, network="gated", leak=0.2, conditional_prior=True),
    "colour": msgspec.structs.replace(BASE, image_shape=(3, 4, 4), law="spline", final_mask="channel", equalize=True),
}


def trained(config: FlowConfig) -> Flow:
    torch.manual_seed(0)
    return train_a_little(Flow(config).double())


def with_the_weights_of(flow: Flow) -> PlainFlow:
    """The plain flow of the same function."""
    plain = PlainFlow(flow.config).double().eval()
    kinds = (
        (MaskedCheckerboardCoupling, PlainCheckerboard),
        (ChannelCoupling, PlainChannelWise),
        (ActNorm, PlainActNorm),
        (InvertibleConv1x1, PlainConv1x1),
    )
    if flow.preprocessing.equalization is not None and plain.equalization is not None:
        plain.equalization.load_state_dict(flow.preprocessing.equalization.state_dict())
    for kind, plain_kind in kinds:
        sources = [layer for layer in flow.modules() if isinstance(layer, kind)]
        targets = [layer for layer in plain.modules() if isinstance(layer, plain_kind)]
        for source, target in zip(sources, targets, strict=True):
            if isinstance(source, InvertibleConv1x1):
                eye = torch.eye(len(source.lower), dtype=torch.float64)[:, :, None, None]
                state = {"weight": source(eye)[0].detach()[:, :, 0, 0].T}
            else:
                state = source.state_dict()
            shapes = {name: tensor.shape for name, tensor in target.state_dict().items()}
            state = {name: tensor.view(shapes[name]) for name, tensor in state.items()}
            missing, unexpected = target.load_state_dict(state, strict=False)
            assert not unexpected
            assert set(missing) <= {"mask"}
    return plain


def images(config: FlowConfig, count: int = 2) -> Tensor:
    return torch.rand(count, *config.image_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", CONFIGS)
def test_it_is_the_engines_function(name: str) -> None:
    flow = trained(CONFIGS[name])
    plain = with_the_weights_of(flow)
    x = images(flow.config)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), flow(x), rtol=1e-10, atol=1e-10)
        z, log_det = plain.encode(x)
        expected, expected_log_det = flow.encode(x)
    torch.testing.assert_close(z, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_det, expected_log_det, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(plain.decode(z), x, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CONFIGS)
def test_its_log_determinant_is_its_jacobians(name: str) -> None:
    plain = with_the_weights_of(trained(CONFIGS[name]))
    x = images(plain.config, 1)
    with torch.no_grad():
        _, log_det = plain.encode(x)
    torch.testing.assert_close(log_det, slogdet_of_jacobian(lambda v: plain.encode(v)[0], x), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_it_has_as_many_parameters(shape: tuple[int, int, int]) -> None:
    """As the engine with masked checkerboards, whose 1x1 convolutions hold their matrices as L, U and diagonal."""
    config = msgspec.structs.replace(preset_config("studio", shape), checkerboard="masked")
    flow, plain = Flow(config), PlainFlow(config)
    mixing = sum(p.numel() for part in flow.modules() if isinstance(part, InvertibleConv1x1) for p in part.parameters())
    matrices = sum(p.numel() for part in plain.modules() if isinstance(part, PlainConv1x1) for p in part.parameters())
    count, plain_count = (sum(p.numel() for p in part.parameters()) for part in (flow, plain))
    assert plain_count - matrices == count - mixing


def test_what_it_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="affine and spline couplings"):
        PlainFlow(preset_config("paper", (1, 28, 28)))
