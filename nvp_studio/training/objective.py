"""What a training step minimizes: the bits/dim of images, and of the noise images that are part of the data."""

import torch
from torch import Tensor

from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.training.config import TrainConfig


def noise_count(batch_size: int) -> int:
    """Images of noise that go with a batch: one for each sixteen of its images, at least one."""
    return max(1, batch_size // 16)


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
