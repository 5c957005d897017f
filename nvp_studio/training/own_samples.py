"""Making a model's own samples score as images do.

Maximum likelihood asks little of where a flow puts density besides the data. Most flows spread it more widely, so that
their samples, brought to 8 bits, have more bits/dim than images. Late in a run a second term is minimized with the
first:

    weight * c * mean of bits/dim of own samples,    c = their bits/dim - that of images, averaged over recent steps

A sample is x = decode(z), z from the prior, brought to 8 bits and dequantized as an image is. The gradient passes
through the density and, as if the rounding were not there, through the decoder: it flattens the density within a grey
level, and moves samples to where it is high. It vanishes as the scores become equal, and turns round where samples
score better.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from nvp_studio.flow.dequantization import images_from_unit, unit_from_images
from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.batches import OwnSamples
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.distributed import all_reduce_gradients

BEGINS = 0.7
"""The fraction of a run's budget after which samples are matched."""
_MEMORY = 0.9
"""Decay of the average of the gap, per step."""
_MOST = 1.0
"""The largest gap, in bits/dim, that adds to the weight."""


def own_sample_count(config: TrainConfig, fraction: float) -> int:
    """Samples of a step at this fraction of the budget: none, or one for each four images, at least one."""
    return max(1, config.batch_size // 4) if config.match_samples and fraction >= BEGINS else 0


def bits_of_own_samples(flow: Flow, drawn: OwnSamples) -> Tensor:
    """Bits/dim (n,) of samples after they were brought to 8 bits, with gradients as if they had not been rounded."""
    x = flow.decode(drawn.latents)
    with torch.no_grad():
        rounded = unit_from_images(images_from_unit(x), drawn.noise)
    return bits_per_dim_from_log_prob(flow(x + (rounded - x).detach()), flow.config.dimensions)


def match_samples(
    flow: Flow,
    parameters: Sequence[nn.Parameter],
    drawn: Iterable[OwnSamples],
    *,
    count: int,
    weight: float,
    gap: Tensor,
    images: Tensor,
    ranks: Ranks = ALONE,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Add the gradient of the second term to those of the images, and return the gap averaged over this step too.

    drawn: this rank's of the step's `count` samples, in the parts that are computed at once. `gap` is the average
    before the step, `images` the mean bits/dim of its images, both scalars. The added gradient is shortened to the
    length of the images' where it is longer, and left out where it is not finite. The host does not wait for a GPU.
    """
    before = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.grad = None if parameter.grad is None else torch.zeros_like(parameter)
    bits = torch.zeros_like(images)
    for part in drawn:
        if len(part.latents):
            check()
            mean = bits_of_own_samples(flow, part).sum() / count
            check()
            mean.backward()  # type: ignore[no-untyped-call] # torch leaves it without types
            bits += mean.detach()
    bits = all_reduce_gradients(parameters, bits, ranks)
    own = [parameter.grad for parameter in parameters]
    for parameter, gradient in zip(parameters, before, strict=True):
        parameter.grad = gradient
    _add(parameters, own, weight * gap.clamp(-_MOST, _MOST))
    difference = bits - images
    return torch.where(torch.isfinite(difference), gap + (1 - _MEMORY) * (difference - gap), gap)


def _add(parameters: Sequence[nn.Parameter], own: Sequence[Tensor | None], weight: Tensor) -> None:
    pairs = [(p.grad, extra) for p, extra in zip(parameters, own, strict=True) if p.grad is not None]
    grads, extras = [grad for grad, _ in pairs], [extra for _, extra in pairs if extra is not None]
    length = get_total_norm(extras) * weight.abs()
    factor = weight * (get_total_norm(grads) / length.clamp_min(1e-12)).clamp(max=1.0)
    for grad, extra in zip(grads, extras, strict=True):
        grad += torch.where(torch.isfinite(length), factor * extra, 0.0)
