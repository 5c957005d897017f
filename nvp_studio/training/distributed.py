"""One run on several ranks: each computes its part of every batch, and all keep the same weights, bit for bit.

The gradients are summed over the ranks by one all-reduce a step instead of by torch's DistributedDataParallel, which
differs in three things that a run needs. The batch may be divided unevenly, since sums over images are reduced and not
means: the batch size is that of the whole batch, whatever the number of ranks. The batch's loss is reduced in the same
call, so that every rank judges a step by the same number. And constant memory and shared statistics run autograd inside
a backward pass, where DistributedDataParallel allows no second use of a parameter. In return, no gradient is sent while
others are still computed; docs/scaling.md says what that costs.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from nvp_studio.device import choose_device, choose_threads
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.normalization import RunningBatchNorm
from nvp_studio.ranks import Ranks
from nvp_studio.training.batches import Range
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.errors import RunError


def rank_device(name: str, ranks: Ranks) -> torch.device:
    """The device called `name` for this rank: of several ranks on a machine with CUDA each takes its own."""
    device = choose_device(name)
    if ranks.world > 1 and device.type == "cuda" and device.index is None:
        return torch.device("cuda", ranks.local_rank % torch.cuda.device_count())
    return device


def rank_threads(threads: int | None, ranks: Ranks) -> int:
    """`threads`, or for None this rank's part of the threads that one process would take."""
    return max(1, choose_threads(threads) // ranks.local_world) if threads is None else choose_threads(threads)


def check_divisible(config: TrainConfig, flow: Flow, ranks: Ranks) -> None:
    """Raise `RunError` when a batch of this configuration cannot be divided so."""
    if config.batch_size < ranks.world:
        raise RunError(f"a batch of {config.batch_size} images cannot be divided among {ranks.world} processes")
    if config.match_samples and flow.config.law == "levels":
        raise RunError(
            "own samples cannot be matched with law=levels, as a grey level has no gradient; leave out --match-samples"
        )
    if not _batch_norms(flow):
        return
    if config.match_samples:
        raise RunError(
            "own samples cannot be matched with batch normalization; leave out --match-samples, or use actnorm"
        )
    if config.accumulate > 1:
        raise RunError("batch normalization needs the whole batch at once; leave out --accumulate, or use actnorm")
    if ranks.world > 1 and config.memory == "constant":
        raise RunError("batch normalization on several processes needs --memory fast")


def split_range(start: int, stop: int, count: int) -> list[Range]:
    """Divide the range into `count` consecutive ones whose sizes differ by at most 1; some may be empty."""
    bounds = [start + (stop - start) * part // count for part in range(count + 1)]
    return list(pairwise(bounds))


def micro_batch_ranges(start: int, stop: int, count: int) -> list[Range]:
    """As `split_range`, without empty ranges."""
    return [(low, high) for low, high in split_range(start, stop, count) if high > low]


def halved(ranges: Sequence[Range], flow: Flow) -> list[Range] | None:
    """The same places in micro-batches of half the size; None for single images, and for a flow with batch
    normalization, which needs the whole batch at once.
    """
    if max(high - low for low, high in ranges) == 1 or _batch_norms(flow):
        return None
    return micro_batch_ranges(ranges[0][0], ranges[-1][1], 2 * len(ranges))


def all_reduce_gradients(parameters: Iterable[nn.Parameter], loss: Tensor, ranks: Ranks) -> Tensor:
    """Replace each gradient by its sum over the ranks, and return the sum of the scalar `loss`; one collective.

    The host does not wait for a GPU here.
    """
    if ranks.world == 1:
        return loss
    grads = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = ranks.all_reduce(torch.cat([grad.flatten() for grad in grads] + [loss.view(1).to(grads[0].dtype)]))
    *sums, total = torch.split(flat, [grad.numel() for grad in grads] + [1])
    for grad, summed in zip(grads, sums, strict=True):
        grad.copy_(summed.view_as(grad))
    return total.squeeze()


def share_batch_statistics(flow: Flow, ranks: Ranks) -> None:
    """Let batch normalization in training take its statistics over the batches of all ranks."""
    if ranks.world == 1:
        return
    for layer in _batch_norms(flow):
        if isinstance(layer, RunningBatchNorm):
            layer.moments = partial(shared_moments, ranks=ranks)
        else:
            layer.forward = partial(_batch_norm, layer, ranks)  # type: ignore[method-assign]


def shared_moments(x: Tensor, ranks: Ranks) -> tuple[Tensor, Tensor]:
    """Variance and mean (C,) of x (N, C, H, W) over the images of all ranks and their pixels, with gradients.

    Two collectives in the forward pass, and two in the backward pass.
    """
    # By `full`: a GPU fills it in, while `tensor` copies from the host, which then waits.
    count = ranks.all_reduce(torch.full((), float(x.numel() // x.shape[1]), device=x.device))
    mean = _summed(x.sum((0, 2, 3)), ranks) / count
    variance = _summed((x - mean.view(1, -1, 1, 1)).square().sum((0, 2, 3)), ranks) / count
    return variance, mean


class _Sum(torch.autograd.Function):
    """The sum over ranks; every rank's loss depends on every rank's summand, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, summand: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.all_reduce(summand.clone())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.all_reduce(grad.contiguous().clone()), None


def _summed(summand: Tensor, ranks: Ranks) -> Tensor:
    return cast(Tensor, _Sum.apply(summand, ranks))  # type: ignore[no-untyped-call] # torch has no types here


def _batch_norms(flow: Flow) -> list[RunningBatchNorm | nn.BatchNorm2d]:
    return [layer for layer in flow.modules() if isinstance(layer, RunningBatchNorm | nn.BatchNorm2d)]


def _batch_norm(layer: nn.BatchNorm2d, ranks: Ranks, x: Tensor) -> Tensor:
    """`nn.BatchNorm2d.forward` with statistics over all ranks; torch's own for this works on CUDA alone."""
    if not layer.training:
        return nn.BatchNorm2d.forward(layer, x)
    given = x.dtype
    x = x.to(torch.promote_types(given, torch.float32))  # networks may compute in less, statistics never
    variance, mean = shared_moments(x, ranks)
    with torch.no_grad():
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        assert layer.momentum is not None
        count = float(ranks.all_reduce(torch.tensor(float(x.numel() // x.shape[1]))))
        layer.num_batches_tracked += 1
        layer.running_mean.lerp_(mean, layer.momentum)
        layer.running_var.lerp_(variance * (count / (count - 1)), layer.momentum)
    y = (x - mean.view(1, -1, 1, 1)) * torch.rsqrt(variance + layer.eps).view(1, -1, 1, 1)
    return (y * layer.weight.view(1, -1, 1, 1) + layer.bias.view(1, -1, 1, 1)).to(given)
