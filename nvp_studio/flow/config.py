"""The description of a flow: one frozen structure that says everything needed to build it, and its presets."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from nvp_studio.flow import grids


class Scale(msgspec.Struct, frozen=True):
    """The slice of the latent vector z that one scale factors out, finest scale first.

    `start` and `stop` index z; `shape` is its (channels, height, width), `stop - start` their product.
    """

    start: int
    stop: int
    shape: tuple[int, int, int]


class FlowConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Architecture of a RealNVP (Dinh, Sohl-Dickstein and Bengio 2017, sections 3.2 to 3.7).

    Raises `ValueError` on construction when the parts do not fit together, naming image sizes that would.
    """

    image_shape: tuple[int, int, int]
    """(channels, height, width) of the images; 1 or 3 channels."""
    scales: int = 2
    """Number of scales; every scale but the last factors out half of its dimensions (section 3.6), or three quarters
    with mixtures."""
    checkerboard_couplings: int = 3
    """Couplings with a checkerboard mask at each scale, before the squeeze."""
    channel_couplings: int = 3
    """Couplings with a channel-wise mask at each scale but the last, after the squeeze."""
    final_couplings: int = 4
    """Checkerboard couplings at the last scale."""
    blocks: int = 4
    """Residual blocks in each network s, t."""
    width: int = 32
    """Feature maps of the networks at the finest resolution."""
    doubling: bool = True
    """Whether the width doubles each time the resolution halves."""
    checkerboard: Literal["masked", "packed"] = "packed"
    """How checkerboard couplings are computed: on the full grid with masked inputs, as published, or on the two
    colours packed as channels at half the resolution, about four times cheaper. Odd sides are always masked."""
    normalization: Literal["actnorm", "batch", "none"] = "actnorm"
    """Normalization of coupling outputs; `batch` is the running-average variant of the paper's appendix E."""
    network_norm: Literal["batch", "none"] = "none"
    """Normalization inside the networks s, t."""
    weight_norm: bool = False
    """Weight normalization of the networks' convolutions."""
    mixing: Literal["none", "conv1x1"] = "none"
    """Channel mixing before each channel-wise coupling: none, or an invertible 1x1 convolution."""
    law: Literal["affine", "spline", "levels"] = "affine"
    """The transform of the couplings: an affine map as published, a rational-quadratic spline, or a mixture of logistic
    distributions over grey levels. With mixtures the flow is a pyramid of grids of pixels, each transformed once, and
    a quarter of them goes on to the next scale; couplings are not counted, nothing is mixed or normalized, and there
    is no logit."""
    pieces: int = 4
    """Bins of the spline, or logistic distributions of the mixture."""
    network: Literal["residual", "gated", "depthwise"] = "residual"
    """Blocks of the networks: two 3x3 convolutions as published, gated ones, or a depthwise 3x3 between 1x1."""
    leak: float = 0.0
    """Slope below zero of the leaky ReLU max(x, leak * x) in networks of other kinds than `residual`. With 0 it is
    ReLU: a feature map whose values are all below zero is constant then, and its weights get no gradient any more."""
    final_mask: Literal["checkerboard", "channel"] = "checkerboard"
    """Masks of the couplings at the last scale."""
    final_mixing: bool = False
    """Whether `mixing` also goes before each checkerboard coupling of the last scale, where no squeeze mixes the
    channels (12 at each position of a colour image of three scales)."""
    conditional_prior: bool = False
    """Whether a further coupling normalizes the factored-out half given the other half, at each scale but the last: the
    same density as a Gaussian prior whose mean and deviation depend on the other half."""
    logit_alpha: float = 0.05
    """The a of the preprocessing logit(a + (1 - 2 a) x), section 4.1. The smaller it is, the larger the range of
    the darkest and the brightest level, which many images consist of in large part."""
    equalize: bool = False
    """Whether x is first equalized: the more frequent a level is in the training images, the more of [0, 1] it gets.
    Otherwise flat colours are spikes of the density, which couplings learn slowly. With mixtures the axis of their
    components is equalized instead."""

    def __post_init__(self) -> None:
        channels, height, width = self.image_shape
        if channels not in (1, 3):
            raise ValueError(f"images have 1 or 3 channels, not {channels}")
        if not 0 <= self.leak < 1:
            raise ValueError(f"leak is {self.leak}, must be at least 0 and below 1")
        if self.network != "residual" and (self.network_norm != "none" or self.weight_norm):
            raise ValueError(f"{self.network} networks come without batch and weight normalization")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if value < low:
                raise ValueError(f"{name} is {value}, must be at least {low}")
            if value > high:
                raise ValueError(f"{name} is {value}, must be at most {high}")
        if max(height, width) > MAX_SIDE:
            raise ValueError(f"images are {height}x{width}, sides must be at most {MAX_SIDE}")
        if self.network_blocks > MAX_BLOCKS:
            raise ValueError(f"all couplings together have {self.network_blocks} blocks, must be at most {MAX_BLOCKS}")
        if not 0 < self.logit_alpha < 0.5:
            raise ValueError(f"logit_alpha is {self.logit_alpha}, must lie between 0 and 0.5")
        if self.final_mask == "channel" and self.final_couplings and channels * 2 ** (self.scales - 1) < 2:
            raise ValueError(
                "one channel cannot be halved by a channel-wise mask; take a checkerboard at the last scale"
            )
        factor = 2 ** (self.scales - 1)
        if height < 1 or width < 1 or height % factor or width % factor:
            raise ValueError(
                f"{self.scales} scales need sides divisible by {factor}, not {height}x{width}; "
                f"{_nearest(height, factor)}x{_nearest(width, factor)} would fit"
            )
        if self.law == "levels":
            self._check_pyramid()

    @property
    def network_blocks(self) -> int:
        """Blocks of the networks of all couplings, counting the ends of a network as one."""
        if self.law == "levels":
            return self.couplings * (self.blocks + 1)
        couplings = self.scales * (self.checkerboard_couplings + self.channel_couplings) + self.final_couplings
        return couplings * (self.blocks + 1)

    def _check_pyramid(self) -> None:
        """Raise `ValueError` where settings are of no use with mixtures."""
        for name, needed in NEEDED_BY_LEVELS.items():
            value = getattr(self, name)
            if value != needed and isinstance(needed, int) and not isinstance(needed, bool):
                raise ValueError(f"{name} is {value}, must be {needed} with law=levels: its scales need no more")
            if value != needed:
                raise ValueError(f"{name} must be {str(needed).lower()} with law=levels")
        if self.network == "residual":
            raise ValueError("network must be depthwise or gated with law=levels")

    @property
    def exact_code_length(self) -> bool:
        """Whether the bits/dim of an 8-bit image are its code length, whatever the dequantization noise.

        Else they are an upper bound of it.
        """
        return self.law == "levels"

    @property
    def can_be_enlarged(self) -> bool:
        """Whether the weights fit larger images too (`enlarging`)."""
        return self.law != "levels"

    @property
    def has_gradients(self) -> bool:
        """Whether gradients of the density and of the decoder say what small changes of pixels or latents do.

        A mixture over grey levels depends on other values by their levels alone: it is constant but for jumps.
        """
        return self.law != "levels"

    @property
    def couplings(self) -> int:
        """Number of couplings from image to latent, those of a conditional prior included."""
        if self.law == "levels":
            return grids.couplings(*self.image_shape[1:], self.scales)
        above = self.checkerboard_couplings + self.channel_couplings + self.conditional_prior
        return (self.scales - 1) * above + self.final_couplings

    @property
    def dimensions(self) -> int:
        """D, the number of pixel values of an image and of entries of z."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def latent_scales(self) -> tuple[Scale, ...]:
        """The slices of z, finest first."""
        channels, height, width = self.image_shape
        slices: list[Scale] = []
        start = 0
        for _ in range(self.scales - 1):
            height, width = height // 2, width // 2
            out = 3 * channels if self.law == "levels" else 2 * channels
            channels = 4 * channels - out
            slices.append(Scale(start, start + out * height * width, (out, height, width)))
            start = slices[-1].stop
        slices.append(Scale(start, self.dimensions, (channels, height, width)))
        return tuple(slices)


NEEDED_BY_LEVELS: dict[str, Any] = {
    "checkerboard_couplings": 0,
    "channel_couplings": 0,
    "final_couplings": 0,
    "normalization": "none",
    "mixing": "none",
    "conditional_prior": False,
    "network_norm": "none",
    "weight_norm": False,
}
"""Settings that `law="levels"` takes no other values of."""

RANGES = {
    "scales": (1, 9),
    "checkerboard_couplings": (0, 64),
    "channel_couplings": (0, 64),
    "final_couplings": (0, 64),
    "blocks": (0, 64),
    "width": (1, 4096),
    "pieces": (1, 64),
}
"""The least and the most that a checkpoint may ask for, and therefore that is trained."""
MAX_SIDE = 1024
MAX_BLOCKS = 4000


def _nearest(side: int, factor: int) -> str:
    below, above = side // factor * factor, -(-side // factor) * factor
    if below == above:
        return str(below)
    return str(above) if below == 0 else f"{below} or {above}"


def _halvings(image_shape: tuple[int, int, int], smallest: int, most: int) -> int:
    """How often both sides can be halved and stay at least `smallest`, at most `most` times."""
    _, height, width = image_shape
    count = 0
    while count < most and height % 2 == 0 and width % 2 == 0 and min(height, width) // 2 >= smallest:
        height, width, count = height // 2, width // 2, count + 1
    return count


def _paper(image_shape: tuple[int, int, int]) -> FlowConfig:
    """Section 4.1: recursion until the last scale is 4x4, width 32 doubled at each halving, 4 blocks (2 from 64x64)."""
    return FlowConfig(
        image_shape=image_shape,
        scales=1 + _halvings(image_shape, 4, 8),
        blocks=2 if min(image_shape[1:]) >= 64 else 4,
        width=32,
        doubling=True,
        checkerboard="masked",
        normalization="batch",
        network_norm="batch",
        weight_norm=True,
    )


def _paper_cifar10(image_shape: tuple[int, int, int]) -> FlowConfig:
    """Section 4.1, CIFAR-10: two scales, 8 residual blocks, 64 feature maps throughout."""
    return msgspec.structs.replace(
        _paper(image_shape), scales=1 + _halvings(image_shape, 4, 1), blocks=8, width=64, doubling=False
    )


def _studio(image_shape: tuple[int, int, int]) -> FlowConfig:
    """The default: the paper's layout with spline couplings on depthwise networks, as chosen in `docs/ablation.md`."""
    return FlowConfig(
        image_shape=image_shape,
        scales=1 + _halvings(image_shape, 7, 2),
        checkerboard_couplings=4,
        channel_couplings=6,
        final_couplings=6,
        blocks=1,
        width=48,
        doubling=False,
        mixing="conv1x1",
        law="spline",
        pieces=6,
        network="depthwise",
        leak=0.1,
        logit_alpha=1e-4,
        equalize=True,
    )


def _quick(image_shape: tuple[int, int, int]) -> FlowConfig:
    """Visible learning within a minute on two cores; small flows draw whole objects soonest with three scales."""
    return msgspec.structs.replace(
        _studio(image_shape),
        width=32,
        channel_couplings=4,
        final_couplings=2,
    )


def _pyramid(image_shape: tuple[int, int, int]) -> FlowConfig:
    """Mixtures over grey levels, each pixel once: for drawings and other images of few colours, and for any size."""
    return FlowConfig(
        image_shape=image_shape,
        scales=1 + _halvings(image_shape, 4, 8),
        checkerboard_couplings=0,
        channel_couplings=0,
        final_couplings=0,
        blocks=2,
        width=96,
        doubling=False,
        normalization="none",
        law="levels",
        pieces=10,
        network="depthwise",
        leak=0.1,
        equalize=True,
    )


def _large(image_shape: tuple[int, int, int]) -> FlowConfig:
    """What one GPU of 80 GB trains in a day on images of 32 or 64 pixels a side."""
    return msgspec.structs.replace(
        _studio(image_shape),
        scales=1 + _halvings(image_shape, 4, 3),
        channel_couplings=8,
        final_couplings=8,
        blocks=4,
        width=256,
        pieces=8,
        network="gated",
        conditional_prior=True,
    )


PRESETS: dict[str, Callable[[tuple[int, int, int]], FlowConfig]] = {
    "studio": _studio,
    "quick": _quick,
    "pyramid": _pyramid,
    "large": _large,
    "paper": _paper,
    "paper-cifar10": _paper_cifar10,
}
"""Preset name -> function from the image shape (C, H, W) to its `FlowConfig`."""


def preset_config(name: str, image_shape: tuple[int, int, int]) -> FlowConfig:
    """Return the `FlowConfig` of preset `name` for images of shape (C, H, W); `ValueError` for an unknown name."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name](image_shape)
