"""From pixel values in [0, 1] to the whole real line (section 4.1)."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, sum_per_image


class Logit(Bijection):
    """y = logit(a + (1 - 2 a) x): x in [0, 1] stays away from the ends, where the logit is infinite."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, C, H, W) in [0, 1]; log-determinant: sum over pixels of log(1 - 2 a) - log p - log(1 - p)."""
        p = self.alpha + (1 - 2 * self.alpha) * x
        log_p, log_q = torch.log(p), torch.log1p(-p)
        return log_p - log_q, sum_per_image(math.log1p(-2 * self.alpha) - log_p - log_q)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = (sigmoid(y) - a) / (1 - 2 a), which leaves [0, 1] by up to a / (1 - 2 a) where the model strays."""
        x = (torch.sigmoid(y) - self.alpha) / (1 - 2 * self.alpha)
        log_p, log_q = functional.logsigmoid(y), functional.logsigmoid(-y)
        return x, sum_per_image(log_p + log_q - math.log1p(-2 * self.alpha))
