"""Coupling layers (sections 3.2 to 3.4): a part x1 of the values stays and determines how the others, x2, change.

    y1 = x1
    y2 = transform(x2; network(x1))        log|det dy/dx| = sum of log d(y2)/d(x2)

A mask says which values are x1 and x2 (section 3.4): the two colours of a checkerboard, or two halves of the channels.
What is done to a value is the transform's choice (`transforms`): the paper's affine map, or a spline.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, sum_per_image
from nvp_studio.flow.masks import Mask
from nvp_studio.flow.transforms import ElementwiseTransform


class Coupling(Bijection):
    """A coupling of the values that `mask` divides.

    `network` maps what it sees of x1, (N, inputs, H, W), to the parameters of the transform of x2 (N, changes, H, W):
    an output of (N, transform.outputs(changes), H, W).
    """

    def __init__(self, mask: Mask, transform: ElementwiseTransform, network: nn.Module) -> None:
        super().__init__()
        self.mask = mask
        self.law = transform  # the name that its parameters have in checkpoints
        self.network = network
        self.run_network: Callable[[nn.Module, Tensor], Tensor] = run_network
        """How the network is called; `engine` puts functions here that compute it in another precision."""
        self.recomputable = transform.recomputable

    def params(self, x1: Tensor) -> Tensor:
        """The parameters of the transform: the network's output for x1."""
        return self.run_network(self.network, self.mask.shown(x1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Equations 4 and 5 (9 with a masked checkerboard), with the log-determinant of equation 6."""
        x1, x2 = self.mask.split(x)
        y2, log_derivative = self.law(x2, self.params(x1))
        return self.mask.merge(x1, y2), sum_per_image(self.mask.only_changing(log_derivative))

    def by_value(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, with the log-derivative of each value, of the shape of x and 0 where values stay."""
        x1, x2 = self.mask.split(x)
        y2, log_derivative = self.law(x2, self.params(x1))
        nothing = torch.zeros_like(x1, dtype=log_derivative.dtype)
        return self.mask.merge(x1, y2), self.mask.merge(nothing, log_derivative)

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Equation 8: only the transform is inverted, value by value; the network never."""
        y1, y2 = self.mask.split(y)
        x2, log_derivative = self.law.inverse_with_log_derivative(y2, self.params(y1))
        return self.mask.merge(y1, x2), sum_per_image(self.mask.only_changing(log_derivative))

    def inverse(self, y: Tensor) -> Tensor:
        """As `inverse_with_log_det`, without the log-determinant."""
        y1, y2 = self.mask.split(y)
        return self.mask.merge(y1, self.law.inverse(y2, self.params(y1)))


def run_network(network: nn.Module, shown: Tensor) -> Tensor:
    """The network's output for what it sees, in the type that it has."""
    output: Tensor = network(shown)
    return output
