"""The residual networks s and t inside the coupling layers (section 4.1); they need no inverse."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from nvp_studio.flow.config import FlowConfig


class Convolution(nn.Conv2d):
    """A convolution that keeps the image's size, optionally weight-normalized (Salimans and Kingma 2016).

    With `weight_norm` the filters are g * v / |v| with a learned length g for each output channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        bias: bool = True,
        weight_norm: bool = False,
        zero: bool = False,
        groups: int = 1,
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias, groups=groups)
        self._sides = (kernel // 2, kernel // 2)
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
        if self._needs_kernel_of_batch(x):
            return torch.mkldnn_convolution(x, weight, self.bias, self._sides, (1, 1), (1, 1), 1)
        return functional.conv2d(x, weight, self.bias, padding=self._sides, groups=self.groups)

    def _needs_kernel_of_batch(self, x: Tensor) -> bool:
        """Whether torch would compute x by a kernel that sums in another order than the one for several images.

        On the CPU torch convolves one small image by a matrix product and several by oneDNN. Where kernels are larger
        than 1x1 and images are 4x4 or smaller, the two differ in the last digits on many processors; on larger images
        they were equal wherever it was measured (AVX2 and AVX-512). Later couplings amplify such a difference, so that
        an image encoded in a batch would be decoded less exactly alone.
        """
        return (
            x.shape[0] == 1
            and self.groups == 1
            and self.kernel_size[0] > 1
            and x.shape[2] * x.shape[3] <= 16
            and x.dtype == torch.float32
            and x.device.type == "cpu"
            and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call] # torch leaves it without types
            and bool(torch.backends.mkldnn.enabled)
        )


def leaky_relu(x: Tensor, slope: float, *, inplace: bool = True) -> Tensor:
    """max(x, slope * x); may overwrite x unless `inplace` is false."""
    return functional.leaky_relu(x, slope, inplace=inplace) if slope else functional.relu(x)


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
        batch_norm: bool = False,
        weight_norm: bool = False,
    ) -> None:
        super().__init__()
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


class GatedBlock(nn.Module):
    """x + a * sigmoid(b) with (a, b) = conv1x1(f(conv3x3(f(x)))), f a leaky ReLU (Ho et al. 2019, section 3.3)."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.first = Convolution(width, width, 3)
        self.second = Convolution(width, 2 * width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        h = self.second(leaky_relu(self.first(leaky_relu(x, self.leak, inplace=False)), self.leak))
        return x + functional.glu(h, 1)


class DepthwiseBlock(nn.Module):
    """x + conv1x1(f(conv1x1(depthwise conv3x3(x)))), f a leaky ReLU, with twice the channels between the 1x1 ones.

    It takes an eighth of the multiplications of two 3x3 convolutions.
    """

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.spatial = Convolution(width, width, 3, groups=width)
        self.widen = Convolution(width, 2 * width, 1)
        self.narrow = Convolution(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> (N, width, H, W)."""
        change: Tensor = self.narrow(leaky_relu(self.widen(self.spatial(x)), self.leak))
        return x + change


INPUT_CLAMP = 3.0
"""Inputs of a network are clamped to this distance from zero: three standard deviations, where layers normalize."""


class PlainNetwork(nn.Module):
    """A 3x3 convolution, blocks one after another, and a 1x1 convolution that starts at zero.

    Its input is clamped, which bounds its output by its weights: values that grow beyond all bounds in an image unlike
    those of the training cannot make others grow, layer after layer, until rounding is all that is left of the image.
    """

    def __init__(self, inputs: int, width: int, outputs: int, blocks: list[nn.Module], leak: float) -> None:
        super().__init__()
        self.leak = leak
        self.enter = Convolution(inputs, width, 3)
        self.blocks = nn.Sequential(*blocks)
        self.leave = Convolution(width, outputs, 1, zero=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        return self.finish(leaky_relu(self.blocks(self.enter(x.clamp(-INPUT_CLAMP, INPUT_CLAMP))), self.leak))

    def finish(self, h: Tensor) -> Tensor:
        """The last convolution: (N, width, H, W) -> (N, outputs, H, W)."""
        count, _, height, width = h.shape
        # The last convolution as a product of matrices: its output then has the channels outermost, as the transforms
        # want it, and it costs half as much as a convolution of an input with the channels innermost.
        weight = self.leave.weight.flatten(1).expand(count, -1, -1)
        assert self.leave.bias is not None
        result = torch.baddbmm(self.leave.bias.view(1, -1, 1), weight, h.flatten(2))
        return result.view(count, self.leave.out_channels, height, width)


def coupling_network(config: FlowConfig, inputs: int, width: int, outputs: int) -> nn.Module:
    """A network of the kind of `config` from (N, inputs, H, W) to (N, outputs, H, W) that starts as zero."""
    if config.network == "residual":
        batch_norm = config.network_norm == "batch"
        return ResidualNetwork(
            inputs, width, outputs, config.blocks, batch_norm=batch_norm, weight_norm=config.weight_norm
        )
    return PlainNetwork(inputs, width, outputs, network_blocks(config, width), config.leak)


def network_blocks(config: FlowConfig, width: int) -> list[nn.Module]:
    """The blocks of a `PlainNetwork`."""
    block = GatedBlock if config.network == "gated" else DepthwiseBlock
    return [block(width, config.leak) for _ in range(config.blocks)]


def _norm(width: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(width) if batch_norm else nn.Identity()
