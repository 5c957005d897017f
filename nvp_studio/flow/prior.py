"""The prior over latents: a standard normal at every scale."""

import math

from torch import Tensor


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """log N(z; 0, I) in nats: (N, D) -> (N,)."""
    return -0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
