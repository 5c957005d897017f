"""One optimizer step: forward, backward, clip, update; and what it minimizes."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.ranks import ALONE, Ranks
from nvp_studio.training.batches import MicroBatch, OwnSamples, noise_count
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.distributed import all_reduce_gradients
from nvp_studio.training.divergence import Verdict
from nvp_studio.training.own_samples import match_samples, own_sample_count
from nvp_studio.training.train_state import TrainState


class StepResult(NamedTuple):
    """What came of a step."""

    loss: float
    """Mean bits/dim of the batch's images, over all ranks."""
    gradient_norm: float
    """Before clipping."""
    verdict: Verdict


def train_step(
    state: TrainState,
    micro_batches: Iterable[MicroBatch],
    config: TrainConfig,
    rate: float,
    *,
    own_samples: Iterable[OwnSamples] = (),
    ranks: Ranks = ALONE,
    check: Callable[[], None] = lambda: None,
    judge: Callable[[float, float], Verdict] = lambda loss, norm: "good",
) -> StepResult:
    """Take one step on the batch that the micro-batches of all ranks make up, with learning rate `rate`.

    With `own_samples`, the samples of all ranks are made to score as the images do (`own_samples.match_samples`).
    `check` is called before each forward and each backward pass and may raise. `judge` is given the loss and the
    gradient norm; the weights change only when it returns "good". Until it has been called, nothing but gradients and
    the running statistics of batch normalization has changed.
    """
    flow = state.flow
    for parameter in state.parameters:
        parameter.grad = None
    loss = torch.zeros((), device=flow.device, dtype=flow.dtype)
    for images, noise in micro_batches:
        check()
        minimized, bits = objective(flow, images, noise, config)
        check()
        minimized.backward()  # type: ignore[no-untyped-call] # torch leaves it without types
        loss += bits.detach()
    total = all_reduce_gradients(state.parameters, loss, ranks)
    gap, drawn = state.sample_gap, list(own_samples)
    if drawn:
        gap = match_samples(
            flow,
            state.parameters,
            drawn,
            count=own_sample_count(config, 1.0),
            weight=config.match_samples,
            gap=gap,
            images=total,
            ranks=ranks,
            check=check,
        )
    norm = clip_grad_norm_(state.parameters, config.gradient_clip)
    # Read together: the host waits for a GPU once in a step.
    mean_loss, gradient_norm = torch.stack((total, norm.to(total))).tolist()
    verdict = judge(mean_loss, gradient_norm)
    if verdict == "good":
        state.update(rate)
        state.sample_gap = gap
    return StepResult(mean_loss, gradient_norm, verdict)


def objective(flow: Flow, x: Tensor, noise: Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """What images x and noise (n, C, H, W) add to the minimized mean, and to the mean bits/dim of the batch's images.

    x and `noise` are a whole batch or a micro-batch: what the micro-batches add sums up to the batch's. With
    `config.noise_share` = p, the mean is the cross-entropy of data that are an image of noise with probability p:
    (1 - p) times the mean bits/dim of the images plus p times that of the noise.
    """
    bits = bits_per_dim_from_log_prob(flow(torch.cat((x, noise))), flow.config.dimensions)
    loss = bits[: len(x)].sum() / config.batch_size
    share = config.noise_share
    if not share:
        return loss, loss
    return (1 - share) * loss + share * bits[len(x) :].sum() / noise_count(config.batch_size), loss
