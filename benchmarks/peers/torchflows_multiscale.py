"""The multi-scale RealNVP and Glow of torchflows, with all their defaults.

Source: https://torchflows.readthedocs.io/en/latest/guides/image_modeling.html and in its repository
docs/notebooks/image_modeling.ipynb: standardized pixels, AdamW. The library chooses the number of scales: three at
32x32, two at 28x28. Of the rate of `Flow.fit`, 0.05 by default, it says that large flows need a lower one.
"""

from torch import Tensor
from torchflows.bijections.base import Bijection
from torchflows.bijections.finite.multiscale.architectures import MultiscaleRealNVP
from torchflows.flows import Flow

from benchmarks.peers.models import PeerFlow, Shape, Standardize


class TorchflowsMultiscale(PeerFlow):
    """A `Flow` of the library after standardized pixels."""

    def __init__(self, shape: Shape, bijection: Bijection) -> None:
        super().__init__()
        self.shape = shape
        self.standardize = Standardize()
        self.flow = Flow(bijection)

    def initialize(self, x: Tensor) -> None:
        """Take the scale of pixels from training images."""
        self.standardize.fit(x)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, first = self.standardize.encode(x)
        z, second = self.flow.bijection.forward(y)
        return z.flatten(1), first + second

    def decode(self, z: Tensor) -> Tensor:
        y: Tensor = self.flow.bijection.inverse(z.unflatten(1, self.shape))[0]
        return self.standardize.decode(y)

    def log_prob(self, x: Tensor) -> Tensor:
        y, first = self.standardize.encode(x)
        second: Tensor = self.flow.log_prob(y)
        return first + second


def realnvp(shape: Shape) -> TorchflowsMultiscale:
    """The multi-scale RealNVP for images (C, H, W)."""
    return TorchflowsMultiscale(shape, MultiscaleRealNVP(shape))
