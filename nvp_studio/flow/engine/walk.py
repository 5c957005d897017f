"""An image on its way through a flow, layer by layer: the tensor after each, its terms, and where its values are.

The layers are the flow's own, not folded: every one that the configuration has is a stage. Values pass in the type of
latents, networks compute in the type of the weights, as in `Inference`; so the terms add up to its log-density within
rounding.
"""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from nvp_studio.flow.bijection import Bijection, Chain, sum_per_image
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.engine.precision import run_in_own_type
from nvp_studio.flow.mixing import InvertibleConv1x1
from nvp_studio.flow.multiscale import factored_out
from nvp_studio.flow.prior import standard_normal_log_prob
from nvp_studio.flow.squeeze import Squeeze, Unsqueeze

Kind = Literal[
    "dequantization", "equalization", "logit", "coupling", "normalization", "mixing", "squeeze", "unsqueeze", "prior"
]
_Passed = list[Squeeze | Unsqueeze | Tensor]
"""What moved values so far: squeezes, and the latents that left after each scale."""


@dataclass(frozen=True)
class Parameters:
    """What a coupling did; all tensors lie on the pixels, (N, C, H, W)."""

    stays: Tensor
    """1 where a value stays and the network sees it (x1), 0 where it changes (x2), NaN where it is a latent already:
    it had left before, or in a pyramid was transformed before."""
    log_derivative: Tensor
    """log d(y2)/d(x2), which is s of an affine coupling; 0 where values do not change."""
    shift: Tensor
    """t; 0 where values do not change, and throughout for a mixture, which has none."""


@dataclass(frozen=True)
class Stage:
    """A layer and the tensor after it."""

    kind: Kind
    scale: int
    """From 1, finest first; 0 before the first scale."""
    number: int
    """From 1: which of its kind it is within its scale."""
    layer: Bijection | None
    """None for dequantization and prior."""
    tensor: Tensor
    """(N, C', H', W'), as the layer gives it; for a prior the latents that it scores."""
    values: Tensor
    """(N, C, H, W): the tensor, and latents that left before, laid back onto the pixels."""
    nats: Tensor
    """(N,): the layer's log-determinant, of a prior its log-density; of the dequantization the -D ln 256 by which a
    density over [0, 1]^D becomes a probability of an 8-bit image."""
    places: "Places"
    """Of the tensor's values; of a prior's stage, of those before the latents leave."""
    parameters: Parameters | None = None

    @property
    def name(self) -> str:
        """What it is called, such as "coupling 3 of scale 1"."""
        if not self.scale:
            return self.kind
        many = self.kind not in ("prior",)
        return f"{self.kind} {self.number} of scale {self.scale}" if many else f"{self.kind} of scale {self.scale}"


def kept_of(x: Tensor, prior: Stage) -> Tensor:
    """What goes on to the next scale of the tensor x (N, C', H', W') before a prior's stage."""
    return x[:, : x.shape[1] - prior.tensor.shape[1]]


class Walk:
    """Leads images through a flow as it is now."""

    def __init__(self, flow: Inference) -> None:
        self._flow = flow
        self._scales: list[list[Bijection]] = []
        with torch.inference_mode(False), torch.no_grad():
            for chain in flow.flow.body.scales:
                assert isinstance(chain, Chain)
                self._scales.append([_prepared(layer, flow.latent_dtype) for layer in chain])

    def __len__(self) -> int:
        """The number of stages."""
        first = 1 + len(self._flow.preprocessing.layers)
        return first + sum(len(layers) + 1 for layers in self._scales)

    @torch.no_grad()
    def stages(self, x: Tensor) -> Iterator[Stage]:
        """The stages of dequantized images x (N, C, H, W) in [0, 1], first to last; their nats add up to those of
        `Inference.log_prob` less D ln 256."""
        x = x.to(self._flow.latent_dtype)
        volume = -self._flow.config.dimensions * math.log(LEVELS)
        places = Places(x, [])
        yield Stage("dequantization", 0, 1, None, x, x, x.new_full((len(x),), volume), places)
        for name, before in self._flow.preprocessing.layers:
            x, log_det = before(x)
            yield Stage(name, 0, 1, before, x, x, log_det, places)
        passed: _Passed = []
        places = Places(x, passed)
        for index, layers in enumerate(self._scales, 1):
            counts: dict[Kind, int] = {}
            for layer in layers:
                kind = _kind(layer)
                counts[kind] = counts.get(kind, 0) + 1
                parameters = None
                if isinstance(layer, Coupling):
                    x, log_det, parameters = _coupled(layer, x, places)
                else:
                    x, log_det = layer(x)
                if isinstance(layer, Squeeze | Unsqueeze):
                    passed.append(layer)
                    places = Places(x, passed)
                yield Stage(kind, index, counts[kind], layer, x, places.lay(x), log_det, places, parameters)
            values, unsplit = places.lay(x), places
            x, out = factored_out(x, self._flow.scales[index - 1])
            if index < len(self._scales):
                passed.append(out)
                places = Places(x, passed)
            yield Stage("prior", index, 1, None, out, values, standard_normal_log_prob(out.flatten(1)), unsplit)


class Places:
    """Where on the pixels the values of a tensor (N, C', H', W') are, and those of the latents that had left."""

    def __init__(self, tensor: Tensor, passed: _Passed) -> None:
        left = [step.flatten(1) for step in passed if isinstance(step, Tensor)]
        self._left = torch.cat((tensor.new_empty(len(tensor), 0), *left), 1)
        count = tensor[0].numel()
        numbers = torch.arange(count + self._left.shape[1], device=tensor.device)
        order = numbers[:count].view(1, *tensor.shape[1:])
        end = len(numbers)
        for step in reversed(passed):
            if isinstance(step, Tensor):
                start = end - step[0].numel()
                order = torch.cat((order, numbers[start:end].view(1, *step.shape[1:])), 1)
                end = start
            else:
                order = step.inverse(order)
        self.order = order[0]
        """(C, H, W): which of the tensor's values, counted from 0, lies there; of latents that had left, numbers after
        those."""
        self.shape = tensor.shape[1:]

    def lay(self, tensor: Tensor, fill: float | None = None) -> Tensor:
        """A tensor of the same shape at the pixels that its values came from, (N, C, H, W).

        Latents that had left are at their own; with `fill` this number is.
        """
        left = self._left if fill is None else torch.full_like(self._left, fill)
        values = torch.cat((tensor.flatten(1), left.to(tensor.dtype)), 1)
        return values.index_select(1, self.order.flatten()).view(len(tensor), *self.order.shape)

    def gather(self, laid: Tensor) -> Tensor:
        """What `lay` made of a tensor (N, C', H', W'), back in the tensor's shape."""
        place = torch.empty_like(self.order.flatten())
        place[self.order.flatten()] = torch.arange(place.numel(), device=place.device)
        count = self.shape.numel()
        return laid.flatten(1).index_select(1, place[:count]).view(len(laid), *self.shape)


def _prepared(layer: Bijection, dtype: torch.dtype) -> Bijection:
    """The layer for values of `dtype`; networks keep their type, and are shared."""
    if not isinstance(layer, Coupling):
        return copy.deepcopy(layer).to(dtype).eval()
    coupling = Coupling(layer.mask, layer.law, layer.network)
    coupling.run_network = run_in_own_type
    return coupling.eval()


def _kind(layer: Bijection) -> Kind:
    if isinstance(layer, Coupling):
        return "coupling"
    if isinstance(layer, InvertibleConv1x1):
        return "mixing"
    if isinstance(layer, Squeeze):
        return "squeeze"
    return "unsqueeze" if isinstance(layer, Unsqueeze) else "normalization"


def _coupled(layer: Coupling, x: Tensor, places: Places) -> tuple[Tensor, Tensor, Parameters]:
    mask = layer.mask
    x1, x2 = mask.split(x)
    params = layer.params(x1)
    y2, log_derivative = layer.law(x2, params)
    _, shift = layer.law.log_scale_and_shift(params)
    nothing = torch.zeros_like(x1)
    by_value = mask.merge(nothing.to(log_derivative.dtype), log_derivative)
    shifts = mask.merge(nothing.to(shift.dtype), shift)
    stays = mask.merge(torch.where(mask.seen_of(x1) > 0, 1.0, math.nan).to(x1.dtype), torch.zeros_like(x2))
    parameters = Parameters(places.lay(stays, math.nan), places.lay(by_value, 0.0), places.lay(shifts, 0.0))
    return mask.merge(x1, y2), sum_per_image(by_value), parameters
