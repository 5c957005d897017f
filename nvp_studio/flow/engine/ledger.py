"""Where the bits of an image are: every term of its log-likelihood, at the pixels that it stands for.

log p(x) is a sum over the values of the latent, of log N(z; 0, 1), and over the values that layers map, of their
log-derivatives (section 3.1). Each has a place in some tensor. From the last layer back to the first, a place is
followed to the pixels that it was made of:

- a squeeze rearranges values, so each keeps its place;
- a coupling changes a value by others, but the value stays where it is, and so do its terms;
- a 1x1 convolution makes each value of all channels at its position; its terms are shared out equally among those.
  Behind a squeeze they are the values of a 2x2 block of pixels, at the next scale of a 4x4 block, and so on.

A map of the terms thus sums up to the image's code length exactly. It says where terms sit, not which pixel caused
them: the derivative of a value is computed from values elsewhere.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from nvp_studio.flow.bijection import Bijection, Chain
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.dequantization import LEVELS, unit_from_images
from nvp_studio.flow.engine.folding import ChannelMap, folded
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.multiscale import factored_out
from nvp_studio.flow.noise import content_noise
from nvp_studio.flow.squeeze import Squeeze, Unsqueeze


@dataclass(frozen=True)
class BitMap:
    """The code length of images in bits, divided among scales and pixels."""

    by_scale: npt.NDArray[np.float64]
    """(N, S, H, W): bits of each scale, finest first, at each pixel, all of its channels together. Bits of the levels
    themselves (8 for each value, less what equalization and logit give) are shared out among the scales by their sizes;
    of mixtures over grey levels they are at the scale whose latent the value becomes, and places without one have 0.
    Negative where a density is high."""

    @property
    def total(self) -> npt.NDArray[np.float64]:
        """(N, H, W): bits at each pixel; those of an image sum up to its code length, bits/dim times D."""
        total: npt.NDArray[np.float64] = self.by_scale.sum(1)
        return total


class Ledger:
    """Makes maps of code lengths by a flow as it is now: a copy of what depends on its weights is kept."""

    def __init__(self, flow: Inference) -> None:
        self._flow = flow
        with torch.inference_mode(False), torch.no_grad():
            self._body = folded(flow.flow.body, torch.empty(0, dtype=flow.latent_dtype, device=flow.device))

    @torch.no_grad()
    def bits(self, images: npt.NDArray[np.uint8], seed: int = 0, sample: int = 0) -> BitMap:
        """Divide the code lengths of 8-bit images (N, H, W, C) among scales and pixels, for one dequantization noise.

        With the first sample of a seed they sum up to D times `Inference.bits_per_dim(images, 1, seed)`.
        """
        return BitMap(self._terms(_dequantized(self._flow, images, seed, sample)).cpu().numpy())

    def _terms(self, x: Tensor) -> Tensor:
        """(N, S, H, W) bits of x (N, C, H, W) in [0, 1]."""
        config = self._flow.config
        x, level_nats = self._flow.preprocessing.by_value(x.to(self._flow.latent_dtype))
        # Under mixtures over grey levels a latent is one value's, so that value's level is where the latent is.
        level = 0.0 if config.has_gradients else math.log(LEVELS)
        # First to last: the terms of each layer, in the shape of its input; then those of the latents.
        passed: list[list[tuple[Bijection, Tensor]]] = []
        priors: list[Tensor] = []
        for scale, latent in zip(self._body.scales, self._body.latents, strict=True):
            assert isinstance(scale, Chain)
            passed.append([])
            for layer in scale:
                x, own = _mapped(layer, x)
                passed[-1].append((layer, own))
            x, out = factored_out(x, latent)
            priors.append(-0.5 * (out.square() + math.log(2 * math.pi)) - level)
        # Last to first: the terms of each scale, (scales so far, N, C, H, W), at the input of each layer.
        terms = priors[-1].new_zeros(0, *priors[-1].shape)
        for layers, prior in zip(reversed(passed), reversed(priors), strict=True):
            terms = _before_split(terms, prior, last=prior is priors[-1])
            for layer, own in reversed(layers):
                terms = _before(layer, terms)
                terms[0] += own
        shares = [(latent.stop - latent.start) / config.dimensions for latent in config.latent_scales]
        bits = (level_nats.sum(1) - level_nats.shape[1] * (math.log(LEVELS) - level)).unsqueeze(1)
        share = torch.tensor(shares, dtype=bits.dtype, device=bits.device).view(1, -1, 1, 1)
        nats = terms.sum(2).transpose(0, 1) + share * bits
        return -nats.double() / math.log(2) if nats.device.type != "mps" else -nats.cpu().double() / math.log(2)


def gradient(flow: Inference, images: npt.NDArray[np.uint8], seed: int = 0, sample: int = 0) -> npt.NDArray[np.float32]:
    """d log p / dx at dequantized 8-bit images (N, H, W, C): nats per grey level, (N, H, W, C).

    Where it is positive, a brighter pixel would be likelier. The density jumps between grey levels of a flow with
    equalized levels; the gradient is that within a level. Raises `ValueError` for a flow without gradients
    (`FlowConfig.has_gradients`).
    """
    if not flow.config.has_gradients:
        raise ValueError("the density of this flow is constant within each grey level: it has no gradient")
    x = _dequantized(flow, images, seed, sample)
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(flow.log_prob(x).sum(), x)
    result: npt.NDArray[np.float32] = (slope / LEVELS).permute(0, 2, 3, 1).to("cpu", torch.float32).numpy()
    return result


def _dequantized(flow: Inference, images: npt.NDArray[np.uint8], seed: int, sample: int) -> Tensor:
    array = np.array(images, order="C")
    noise = torch.from_numpy(content_noise(array, seed, sample)).to(flow.device, flow.dtype)
    return unit_from_images(torch.from_numpy(array).to(flow.device), noise)


def _mapped(layer: Bijection, x: Tensor) -> tuple[Tensor, Tensor]:
    """The layer's output for x, and its terms in the shape of x; they sum up to its log-determinant."""
    if isinstance(layer, Coupling):
        return layer.by_value(x)
    y, log_det = layer(x)
    return y, (log_det / x[0].numel()).view(-1, 1, 1, 1).expand_as(x)


def _before(layer: Bijection, terms: Tensor) -> Tensor:
    """Terms (scales, N, C, H, W) at the places of a layer's output, moved to those of its input."""
    if isinstance(layer, Coupling):
        return terms
    flat = terms.flatten(0, 1)
    if isinstance(layer, ChannelMap):
        if layer.diagonal:
            return terms
        made_of = (layer.weight[:, :, 0, 0] != 0).to(flat.dtype)
        return torch.einsum("noij,oc->ncij", flat, made_of / made_of.sum(1, keepdim=True)).view_as(terms)
    if isinstance(layer, Squeeze | Unsqueeze):
        moved = layer.inverse(flat)
        return moved.view(*terms.shape[:2], *moved.shape[1:])
    raise TypeError(f"the terms of this layer have no known place: {layer}")


def _before_split(coarser: Tensor, prior: Tensor, *, last: bool) -> Tensor:
    """Terms of the coarser scales, and of this scale's latents before them, at the output of this scale's layers."""
    if last:
        return prior.unsqueeze(0)
    own = torch.cat((torch.zeros_like(coarser[0]), prior), 1)
    nothing = torch.zeros_like(prior).expand(len(coarser), *prior.shape)
    return torch.cat((own.unsqueeze(0), torch.cat((coarser, nothing), 2)))
