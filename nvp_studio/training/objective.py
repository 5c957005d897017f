"""What a training step minimizes: the bits/dim of images, and of the noise images that are part of the data."""

import torch
from torch import Tensor

from nvp_studio.flow.flow import Flow, bits_per_dim_from_log_prob
from nvp_studio.training.batches import Batches


def objective(flow: Flow, x: Tensor, noise: Tensor, batches: Batches, noise_share: float) -> tuple[Tensor, Tensor]:
    """What images x and noise (n, C, H, W) add to the objective, and to the mean bits/dim of the images of the batch.

    x and `noise` are a batch of `batches`, or a part of one: what the parts give adds up. With a `noise_share` the
    objective is the cross-entropy of data that are images of noise so often, both kinds weighted by their own means.
    """
    bits = bits_per_dim_from_log_prob(flow(torch.cat((x, noise))), flow.config.dimensions)
    loss = bits[: len(x)].sum() / batches.batch_size
    if not noise_share:
        return loss, loss
    return (1 - noise_share) * loss + noise_share * bits[len(x) :].sum() / batches.noise_count, loss
