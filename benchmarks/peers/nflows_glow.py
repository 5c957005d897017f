"""Neural spline flow for images by nflows, as its authors' experiment builds it.

Source: https://github.com/bayesiains/nsf/blob/master/experiments/images.py, whose defaults are for Fashion-MNIST: three
scales of ten steps (ActNorm, 1x1 convolution, coupling by rational-quadratic splines of four bins on [-1, 1]), networks
of three convolutions with 256 feature maps, pixels in [-0.5, 0.5], Adam with a cosine. nflows is the library that the
authors made of that program; it has all the parts, not the assembly. Images are not padded to 32x32 here. The authors'
file for CIFAR-10 has residual networks without factored-out scales, which take several times as long for an image.
"""

from nflows import transforms
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.utils.torchutils import create_mid_split_binary_mask
from torch import Tensor, nn

from benchmarks.peers.models import PeerFlow, Shape, halvings

SCALES, STEPS, WIDTH, BINS = 3, 10, 256, 4


class Network(nn.Sequential):
    """The network of a coupling."""

    def __init__(self, inputs: int, outputs: int, width: int) -> None:
        first, last = nn.Conv2d(inputs, width, 3, padding=1), nn.Conv2d(width, outputs, 3, padding=1)
        super().__init__(first, nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), last)
        self.hidden_channels = width  # the library divides widths and heights of bins by its root

    def forward(self, x: Tensor, context: None = None) -> Tensor:
        """The coupling's parameters; there is no context."""
        result: Tensor = super().forward(x)
        return result


def _step(channels: int, width: int) -> transforms.Transform:
    coupling = transforms.PiecewiseRationalQuadraticCouplingTransform(
        mask=create_mid_split_binary_mask(channels),
        transform_net_create_fn=lambda inputs, outputs: Network(inputs, outputs, width),
        tails="linear",
        tail_bound=1.0,
        num_bins=BINS,
        apply_unconditional_transform=False,
        min_bin_width=1e-3,
        min_bin_height=1e-3,
        min_derivative=1e-3,
    )
    parts = [transforms.ActNorm(channels), transforms.OneByOneConvolution(channels), coupling]
    return transforms.CompositeTransform(parts)


class NflowsGlow(PeerFlow):
    """The experiment's flow after its preprocessing, x - 0.5."""

    def __init__(self, shape: Shape, scales: int, steps: int, width: int) -> None:
        super().__init__()
        body = transforms.MultiscaleCompositeTransform(num_transforms=scales)
        next_shape: Shape = shape
        for _ in range(scales):
            squeeze = transforms.SqueezeTransform()
            c, h, w = squeeze.get_output_shape(*next_shape)
            mixing = transforms.OneByOneConvolution(c)
            level = transforms.CompositeTransform([squeeze, *(_step(c, width) for _ in range(steps)), mixing])
            next_shape = body.add_transform(level, (c, h, w))
        self.flow = Flow(body, StandardNormal((shape[0] * shape[1] * shape[2],)))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = self.flow._transform(x - 0.5)
        return z, log_det

    def decode(self, z: Tensor) -> Tensor:
        x: Tensor = self.flow._transform.inverse(z)[0] + 0.5
        return x

    def log_prob(self, x: Tensor) -> Tensor:
        log_prob: Tensor = self.flow.log_prob(x - 0.5)
        return log_prob


def build(shape: Shape, steps: int = STEPS, width: int = WIDTH) -> NflowsGlow:
    """For images (C, H, W), with three scales, or as many as they can be halved."""
    return NflowsGlow(shape, halvings(shape, SCALES), steps, width)
