"""The exponential moving average of the weights, which a loaded checkpoint computes with."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nvp_studio.flow.flow import Flow


def average_of(flow: nn.Module, decay: float) -> AveragedModel:
    """A moving average of the flow's parameters and buffers, to be updated after each step, in evaluation mode.

    The decay at update t is min(decay, (1 + t) / (10 + t)), so that a short run is not dominated by its beginning.
    Buffers that are no floating-point numbers are copied: an average of counters would be rounded to something else.
    """

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + float(count)) / (10 + float(count)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    average = AveragedModel(flow, multi_avg_fn=update, use_buffers=True)
    average.requires_grad_(False)
    average.eval()
    return average


def averaged_flow(average: AveragedModel) -> Flow:
    """The flow that holds the averaged weights."""
    return cast(Flow, average.module)
