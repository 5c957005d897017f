"""Mixtures of logistic distributions over grey levels, as a transform of whole pixels.

The colours of a pixel are transformed one after another, each by the distribution function of its grey level given the
colours before it, and then by the inverse of the standard normal distribution function:

    z_c = Phi^-1(F_c(x_c; x_1 .. x_c-1))

F is that of a mixture of K logistic distributions, whose components are shared by the colours (Salimans et al. 2017,
"PixelCNN++", section 2.2): the first colour says which components are likely for the second. F is taken at the edges
of the 256 grey levels and is linear within a level, and what depends on other values depends on their levels alone. The
density is therefore the same everywhere within the levels of an 8-bit image, its bits/dim are its exact code length,
and the noise of samples within their levels is uniform.

The components live on an axis on which a level has the more room, the more frequent it is in the training images
(`preprocessing.level_edges`). Each level keeps a probability of at least `FLOOR` / 256.

The parameters of a pixel of C colours are, K numbers each: the logits of the components; for each colour the means, and
the logarithms of the inverse scales; and for each pair of colours how far the mean of the later one follows the earlier
one.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.transforms import ElementwiseTransform

FLOOR = 2e-5
"""The part of the probability that is spread evenly over the levels."""
MARGIN = 1e-9
"""F lies in [MARGIN, 1 - MARGIN], so that z is finite where x is 0 or 1."""
AXIS = 2.0
"""The axis of the components goes from -AXIS to AXIS."""
SHARPEST = 7.0
BLUNTEST = -3.0
"""Bounds of the logarithm of the inverse scale."""
_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)


def mixture_params(components: int, colours: int) -> int:
    """How many parameters describe the map of a pixel of so many colours."""
    return components * (1 + 2 * colours + colours * (colours - 1) // 2)


class MixtureTransform(ElementwiseTransform):
    """The transform of pixels, each of `colours` values.

    Values (N, G * colours, H, W) are those of G pixels one after another; the parameters are (N, P * G, H, W) with P =
    `mixture_params`: the first one of all G pixels, then the second one of all, and so on.
    """

    recomputable = False
    edges: Tensor
    """(colours, 257): where the levels begin and end on the axis, rising from 0 to 1."""

    def __init__(self, colours: int, components: int) -> None:
        super().__init__()
        self.colours = colours
        self.components = components
        self.register_buffer("edges", torch.linspace(0, 1, LEVELS + 1).expand(colours, -1).clone())

    def outputs(self, changes: int) -> int:
        """Parameters of all of the pixels that so many values are."""
        return mixture_params(self.components, self.colours) * (changes // self.colours)

    @torch.no_grad()
    def start(self, bias: Tensor) -> None:
        """Spread the components' means over the axis, by the bias (outputs,) of a network's last layer."""
        by_parameter = bias.view(mixture_params(self.components, self.colours), -1)
        means = torch.linspace(-AXIS, AXIS, self.components).to(bias).view(-1, 1)
        for colour in range(self.colours):
            first = (1 + 2 * colour) * self.components
            by_parameter[first : first + self.components] = means

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map x to z; log dz/dx of each value, given the colours before it."""
        pixels = self._pixels(x)
        mixture = _Mixture(self, params.to(x.dtype), pixels.shape[1])
        values, log_derivatives = [], []
        for colour in range(self.colours):
            value = pixels[:, :, colour]
            scaled = value * LEVELS
            level = scaled.detach().long().clamp(0, LEVELS - 1)  # in bounds for NaN too
            below, probability = mixture.level(colour, level)
            z = torch.special.ndtri(mixture.margin + mixture.rest * (below + probability * (scaled - level)))
            values.append(z)
            log_derivatives.append(torch.log(probability * (LEVELS * mixture.rest)) + 0.5 * z.square() + _LOG_SQRT_2_PI)
            mixture.see(value, level)
        return self._values(values), self._values(log_derivatives)

    def inverse_with_log_derivative(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Map z back: the level by bisection, then the place within it."""
        pixels = self._pixels(y)
        mixture = _Mixture(self, params.to(y.dtype), pixels.shape[1])
        values, log_derivatives = [], []
        for colour in range(self.colours):
            z = pixels[:, :, colour]
            share = (torch.special.ndtr(z) - mixture.margin) / mixture.rest
            level = mixture.find(colour, share.detach())
            below, probability = mixture.level(colour, level)
            # Within the level, so that networks see it, also where rounding put it at an edge.
            value = (level + ((share - below) / probability).clamp(0, mixture.last)) / LEVELS
            values.append(value)
            log_derivatives.append(
                -torch.log(probability * (LEVELS * mixture.rest)) - 0.5 * z.square() - _LOG_SQRT_2_PI
            )
            mixture.see(value, level)
        return self._values(values), self._values(log_derivatives)

    def log_scale_and_shift(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """Zeros: a mixture has neither."""
        pixels = params.shape[1] // mixture_params(self.components, self.colours)
        nothing = params.new_zeros(len(params), pixels * self.colours, *params.shape[2:])
        return nothing, nothing

    def _pixels(self, values: Tensor) -> Tensor:
        """(N, G * C, H, W) -> (N, G, C, H, W)."""
        count, _, height, width = values.shape
        return values.reshape(count, -1, self.colours, height, width)

    @staticmethod
    def _values(by_colour: list[Tensor]) -> Tensor:
        """C tensors (N, G, H, W) -> (N, G * C, H, W)."""
        return torch.stack(by_colour, 2).flatten(1, 2)


class _Mixture:
    """The distributions of pixels, colour after colour; tensors are (N, K, G, H, W), or without K."""

    def __init__(self, transform: MixtureTransform, params: Tensor, pixels: int) -> None:
        count = transform.components
        images, _, height, width = params.shape
        self._params = params.reshape(images, -1, pixels, height, width).split_with_sizes(
            [count] * mixture_params(1, transform.colours), 1
        )
        self._colours = transform.colours
        self._edges = transform.edges.to(params.dtype)
        self._log_weights = torch.log_softmax(self._params[0], 1)
        self._seen: list[Tensor] = []
        self._colour = -1
        self._pulls: Iterator[Tensor] = iter(self._params[1 + 2 * self._colours :])
        self._means, self._sharpness = self._log_weights, self._log_weights
        eps = torch.finfo(params.dtype).eps
        self.last = 1 - LEVELS * eps
        """The last place within a level that is not rounded to the next one."""
        self._slack = 4 * eps
        self.margin = max(MARGIN, 4 * eps)
        self.rest = 1 - 2 * self.margin

    def level(self, colour: int, level: Tensor) -> tuple[Tensor, Tensor]:
        """F at the lower edge of levels (N, G, H, W), and the probability of the levels."""
        self._take(colour)
        below = self._cumulated(colour, level)
        probabilities = self._probabilities(colour, level)
        self._of_level = probabilities
        return below, (self._log_weights.exp() * probabilities).sum(1)

    def find(self, colour: int, share: Tensor) -> Tensor:
        """The levels whose part of [0, 1] holds `share`, int64; at an edge the level above it, as in the other way."""
        self._take(colour)
        with torch.no_grad():
            low = torch.zeros_like(share, dtype=torch.long)
            for bit in reversed(range(int(math.log2(LEVELS)))):
                middle = low + 2**bit
                low = torch.where(self._cumulated(colour, middle) <= share + self._slack, middle, low)
        return low

    def see(self, value: Tensor, level: Tensor) -> None:
        """Go on to the next colour, given the level of this one, which was looked up last.

        Its middle counts, with the gradient of the value (`level_centers`).
        """
        joint = self._log_weights + torch.log(self._of_level)
        self._log_weights = torch.log_softmax(joint, 1)
        center = (level + 0.5) / LEVELS + (value - value.detach())
        self._seen.append(center.to(value.dtype).unsqueeze(1))

    def _take(self, colour: int) -> None:
        """Look up the components of a colour."""
        if colour == self._colour:
            return
        self._colour = colour
        means, log_sharpness = self._params[1 + 2 * colour], self._params[2 + 2 * colour]
        for earlier in self._seen:
            means = means + torch.tanh(next(self._pulls)) * (2 * AXIS * earlier - AXIS)
        self._means = means
        middle, reach = (SHARPEST + BLUNTEST) / 2, (SHARPEST - BLUNTEST) / 2
        self._sharpness = torch.exp(middle + reach * torch.tanh(log_sharpness / reach))

    def _cumulated(self, colour: int, level: Tensor) -> Tensor:
        """F at the lower edge of levels (N, G, H, W), each from 0 to 256."""
        logistic = torch.sigmoid(self._distance(self._edges[colour][level], level.unsqueeze(1)))
        return (1 - FLOOR) * (self._log_weights.exp() * logistic).sum(1) + (FLOOR / LEVELS) * level.to(logistic.dtype)

    def _probabilities(self, colour: int, level: Tensor) -> Tensor:
        """Of each component: the probability of levels (N, G, H, W)."""
        lower, upper = self._edges[colour][level], self._edges[colour][level + 1]
        level = level.unsqueeze(1)
        low, high = self._distance(lower, level), self._distance(upper, level + 1)
        turned = low + high > 0  # the difference of two numbers near 1 would lose its digits
        low, high = torch.where(turned, -high, low), torch.where(turned, -low, high)
        return (1 - FLOOR) * (torch.sigmoid(high) - torch.sigmoid(low)) + FLOOR / LEVELS

    def _distance(self, room: Tensor, level: Tensor) -> Tensor:
        """Of edges (N, G, H, W) in [0, 1] from the means, in scales; without an end beyond the first and last level."""
        distance = (2 * AXIS * room.unsqueeze(1) - AXIS - self._means) * self._sharpness
        distance = torch.where(level == 0, -_FAR, distance)
        return torch.where(level == LEVELS, _FAR, distance)


_FAR = 1e3
"""Scales from a mean beyond which a logistic distribution has nothing."""
