"""The residual networks s and t inside the coupling layers (section 4.1); they need no inverse."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


class Convolution(nn.Conv2d):
    """A convolution that keeps the image's size, optionally weight-normalized (Salimans and Kingma 2016).

    With `weight_norm` the filters are g * v / |v| with a learned length g for each output channel.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, bias: bool, weight_norm: bool, zero: bool = False
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)
        self.length: nn.Parameter | None = None
        if weight_norm:
            self.length = nn.Parameter(torch.linalg.vector_norm(self.weight.detach(), dim=(1, 2, 3)))
        if zero:
            nn.init.zeros_(self.weight if self.length is None else self.length)
        if zero and self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        weight = self.weight
        if self.length is not None:
            norm = torch.linalg.vector_norm(weight, dim=(1, 2, 3))
            weight = weight * (self.length / norm).view(-1, 1, 1, 1)
        return functional.conv2d(x, weight, self.bias, padding=self.padding)


class ResidualBlock(nn.Module):
    """Pre-activation residual block: x + conv3x3(relu(norm(conv3x3(relu(norm(x))))))."""

    def __init__(self, width: int, *, batch_norm: bool, weight_norm: bool) -> None:
        super().__init__()
        self.first_norm = _norm(width, batch_norm)
        self.first = Convolution(width, width, 3, bias=not batch_norm, weight_norm=weight_norm)
        self.second_norm = _norm(width, batch_norm)
        self.second = Convolution(width, width, 3, bias=True, weight_norm=weight_norm)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        h = self.first(functional.relu(self.first_norm(x)))
        change: Tensor = self.second(functional.relu(self.second_norm(h)))
        return x + change


class ResidualNetwork(nn.Module):
    """A residual network whose blocks all reach the output through 1x1 skip convolutions (section 4.1).

    The last convolution starts at zero, so that a new coupling layer is the identity. With batch normalization the
    input is normalized too and enters as relu(x), relu(-x), as in the authors' program; the published parameter
    counts include it.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        outputs: int,
        blocks: int,
        *,
        norm: Literal["batch", "none"] = "none",
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
        batch_norm = norm == "batch"
        self.enter_norm = nn.BatchNorm2d(inputs) if batch_norm else None
        self.enter = Convolution(2 * inputs if batch_norm else inputs, width, 3, bias=True, weight_norm=weight_norm)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, batch_norm=batch_norm, weight_norm=weight_norm) for _ in range(blocks)
        )
        self.skips = nn.ModuleList(
            Convolution(width, width, 1, bias=True, weight_norm=weight_norm) for _ in range(blocks + 1)
        )
        self.leave_norm = _norm(width, batch_norm)
        self.leave = Convolution(width, outputs, 1, bias=True, weight_norm=weight_norm, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        if self.enter_norm is not None:
            x = self.enter_norm(x)
            x = functional.relu(torch.cat((x, -x), 1))
        x = self.enter(x)
        total: Tensor = self.skips[0](x)
        for block, skip in zip(self.blocks, self.skips[1:], strict=True):
            x = block(x)
            total = total + skip(x)
        result: Tensor = self.leave(functional.relu(self.leave_norm(total)))
        return result


def _norm(width: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(width) if batch_norm else nn.Identity()
