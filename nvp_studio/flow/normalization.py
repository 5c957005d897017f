"""Normalization of coupling outputs, as bijections with their own log-determinants (section 3.7, appendix E)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nvp_studio.flow.bijection import Bijection, constant_log_det, per_channel


class ActNorm(Bijection):
    """y = exp(log_scale) * (x + bias) for each channel (Kingma and Dhariwal 2018, section 3.1).

    Starts as the identity; `initialize` makes the outputs of one batch zero-mean with unit variance. Unlike batch
    normalization it is the same map in training and evaluation.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Take bias and scale from the batch x (N, C, H, W)."""
        variance, mean = batch_moments(x)
        self.bias.copy_(-mean)
        self.log_scale.copy_(-0.5 * torch.log(variance + 1e-6))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalize; the log-determinant is H * W * sum of log_scale."""
        y = (x + per_channel(self.bias)) * per_channel(torch.exp(self.log_scale))
        return y, constant_log_det(x, self.log_scale.sum())

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = exp(-log_scale) * y - bias."""
        x = y * per_channel(torch.exp(-self.log_scale)) - per_channel(self.bias)
        return x, constant_log_det(y, -self.log_scale.sum())


class RunningBatchNorm(Bijection):
    """y = (x - mean) / sqrt(variance + eps) with running averages that include the current batch (appendix E).

    In training the averages are updated by the batch first, mean <- momentum * mean + (1 - momentum) * batch mean, and
    the gradient flows through the batch's part only. In evaluation they are constants; only then is the layer a
    bijection of single images, and only then may it be inverted.
    """

    mean: Tensor
    variance: Tensor
    moments: Callable[[Tensor], tuple[Tensor, Tensor]]
    """Variance and mean (C,) of a batch (N, C, H, W); another one where the batch is divided among processes."""

    def __init__(self, channels: int, momentum: float = 0.99, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum = momentum
        self.eps = eps
        self.moments = batch_moments
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Start the running averages at the statistics of the batch x (N, C, H, W)."""
        variance, mean = batch_moments(x)
        self.mean.copy_(mean)
        self.variance.copy_(variance)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalize; the log-determinant is -H * W / 2 * sum of log(variance + eps)."""
        mean, variance = self._averages(x) if self.training else (self.mean, self.variance)
        log_scale = -0.5 * torch.log(variance + self.eps)
        y = (x - per_channel(mean)) * per_channel(torch.exp(log_scale))
        return y, constant_log_det(x, log_scale.sum())

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = y * sqrt(variance + eps) + mean; raises `RuntimeError` in training mode."""
        if self.training:
            raise RuntimeError("batch normalization has an inverse in evaluation mode only; call eval() first")
        return self.recompute(y), constant_log_det(y, 0.5 * torch.log(self.variance + self.eps).sum())

    def recompute(self, y: Tensor) -> Tensor:
        """Invert the normalization of the batch that last updated the running averages."""
        deviation = torch.exp(0.5 * torch.log(self.variance + self.eps))
        return y * per_channel(deviation) + per_channel(self.mean)

    def _averages(self, x: Tensor) -> tuple[Tensor, Tensor]:
        batch_variance, batch_mean = self.moments(x)
        mean = self.momentum * self.mean + (1 - self.momentum) * batch_mean
        variance = self.momentum * self.variance + (1 - self.momentum) * batch_variance
        with torch.no_grad():
            self.mean.copy_(mean)
            self.variance.copy_(variance)
        return mean, variance


def batch_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Variance and mean (C,) of x (N, C, H, W) over images and pixels."""
    return torch.var_mean(x, dim=(0, 2, 3), correction=0)
