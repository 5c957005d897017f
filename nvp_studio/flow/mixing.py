"""Mixing of channels between couplings: invertible 1x1 convolutions (Kingma and Dhariwal 2018, section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.bijection import Bijection, constant_log_det


class InvertibleConv1x1(Bijection):
    """y = W x at every pixel, with W = P L (U + diag(sign * exp(log_diagonal))), so log|det W| = sum of log_diagonal.

    P is a fixed permutation, L unit lower and U strictly upper triangular; W starts as `start`, or a random rotation.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int, start: Tensor | None = None) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels, dtype=torch.float64)).Q if start is None else start
        permutation, lower, upper = (part.to(torch.get_default_dtype()) for part in torch.linalg.lu(rotation))
        diagonal = torch.diagonal(upper)
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", torch.sign(diagonal))
        self.lower = nn.Parameter(torch.tril(lower, -1))
        self.upper = nn.Parameter(torch.triu(upper, 1))
        self.log_diagonal = nn.Parameter(torch.log(torch.abs(diagonal)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y = W x; the log-determinant is H * W * log|det W|."""
        lower, upper = self._triangles()
        weight = self.permutation @ lower @ upper
        return functional.conv2d(x, weight[:, :, None, None]), constant_log_det(x, self.log_diagonal.sum())

    def inverse_with_log_det(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x = W^-1 y, the inverse from two triangular solves."""
        lower, upper = self._triangles()
        half = torch.linalg.solve_triangular(lower, self.permutation.T, upper=False, unitriangular=True)
        weight = torch.linalg.solve_triangular(upper, half, upper=True)
        return functional.conv2d(y, weight[:, :, None, None]), constant_log_det(y, -self.log_diagonal.sum())

    def _triangles(self) -> tuple[Tensor, Tensor]:
        lower = torch.tril(self.lower, -1) + torch.eye(
            len(self.lower), dtype=self.lower.dtype, device=self.lower.device
        )
        return lower, torch.triu(self.upper, 1) + torch.diag(self.sign * torch.exp(self.log_diagonal))
