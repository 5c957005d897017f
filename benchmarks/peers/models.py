"""The flows that are compared: how each is built, who recommends it, and how it is trained."""

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Adamax, AdamW, Optimizer

from nvp_studio.flow.config import preset_config
from nvp_studio.flow.preprocessing import Preprocessing
from nvp_studio.flow.prior import standard_normal_log_prob

Shape = tuple[int, int, int]
"""(C, H, W) of images."""
STUDIO = "nvp-studio"


class PeerFlow(nn.Module):
    """A library's flow between images x, (N, C, H, W) in [0, 1], and latents z, (N, D), standard normal."""

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z (N, D) of images x, and the log-determinant (N,) of the whole map."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> Tensor:
        """Images (N, C, H, W) of latents z (N, D)."""
        raise NotImplementedError

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats, (N,), of x over [0, 1]^D."""
        z, log_det = self.encode(x)
        return standard_normal_log_prob(z) + log_det

    def forward(self, x: Tensor) -> Tensor:
        """As `log_prob`."""
        return self.log_prob(x)


class Standardize(nn.Module):
    """x to (x - mean) / deviation, both of all training pixels; known after `fit`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.5))
        self.register_buffer("deviation", torch.tensor(0.25))

    def fit(self, x: Tensor) -> None:
        """Take mean and deviation from training images."""
        self.mean.copy_(x.mean())
        self.deviation.copy_(x.std())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The standardized images, and the log-determinant, a number."""
        return (x - self.mean) / self.deviation, -self.deviation.log() * x[0].numel()

    def decode(self, y: Tensor) -> Tensor:
        """The images again."""
        return y * self.deviation + self.mean


class BehindLogit(PeerFlow):
    """A library's flow that sees the logits of pixels, as NVP Studio's preset does (without equalized levels)."""

    def __init__(self, flow: PeerFlow, shape: Shape) -> None:
        super().__init__()
        self.flow = flow
        self.logit = Preprocessing(shape[0], preset_config("studio", (1, 28, 28)).logit_alpha, equalize=False)

    def initialize(self, x: Tensor) -> None:
        """Initialize the flow from the logits of training images."""
        if hasattr(self.flow, "initialize"):
            self.flow.initialize(self.logit(x)[0])

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, first = self.logit(x)
        z, second = self.flow.encode(y)
        return z, first + second

    def decode(self, z: Tensor) -> Tensor:
        return self.logit.inverse(self.flow.decode(z))


def halvings(shape: Shape, most: int) -> int:
    """How often height and width can be halved, at most `most` times."""
    count = 0
    while count < most and not any(side % 2 ** (count + 1) for side in shape[1:]):
        count += 1
    return count


@dataclass(frozen=True)
class Peer:
    """A model that takes part."""

    name: str
    package: str
    """What must be importable."""
    build: str
    """Module of this package and function: from a shape (C, H, W) to a `PeerFlow`."""
    source: str
    """Whose architecture and settings these are."""
    optimizer: Callable[..., Optimizer]
    options: dict[str, Any]
    """Of the optimizer, besides the rate."""
    rate: float
    """The recommended learning rate, the middle of those that are tried."""
    batch: int
    """The recommended batch size."""

    @property
    def installed(self) -> bool:
        """Whether its library is there."""
        return importlib.util.find_spec(self.package) is not None

    def flow(self, shape: Shape, **smaller: int) -> PeerFlow:
        """The untrained flow for images of `shape` (C, H, W); `smaller` is for tests."""
        module, function = self.build.split(":")
        built: PeerFlow = getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)(shape, **smaller)
        return built


_NORMFLOWS = "https://github.com/VincentStimper/normalizing-flows/blob/master/examples/glow.ipynb"
_NFLOWS = "https://github.com/bayesiains/nsf/blob/master/experiments/images.py"
_FREIA = "https://vislearn.github.io/FrEIA/_build/html/tutorial/examples/convolutional.html"
_FREIA_TIPS = "https://vislearn.github.io/FrEIA/_build/html/tutorial/tips_tricks_faq.html"
_TORCHFLOWS = "https://torchflows.readthedocs.io/en/latest/guides/image_modeling.html"

_ALL = (
    Peer("normflows-glow", "normflows", "normflows_glow:build", _NORMFLOWS, Adamax, {"weight_decay": 1e-5}, 1e-3, 128),
    Peer("nflows-spline-glow", "nflows", "nflows_glow:build", _NFLOWS, Adam, {}, 5e-4, 256),
    Peer("freia-glow", "FrEIA", "freia_glow:build", _FREIA_TIPS, Adam, {}, 1e-3, 100),
    Peer("freia-convolutional", "FrEIA", "freia_glow:convolutional", _FREIA, Adam, {}, 1e-3, 100),
    Peer("torchflows-realnvp", "torchflows", "torchflows_multiscale:realnvp", _TORCHFLOWS, AdamW, {}, 5e-3, 1024),
)
PEERS = {peer.name: peer for peer in _ALL}


def chosen(names: list[str]) -> list[str]:
    """`names`, or NVP Studio and all whose libraries are installed; ends the program if one of `names` is not there."""
    known = [STUDIO, *PEERS]
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    if missing := sorted({PEERS[name].package for name in names if name in PEERS and not PEERS[name].installed}):
        raise SystemExit(f"{', '.join(missing)} is not installed; pip install -c constraints.txt -e '.[bench]'")
    if names:
        return names
    installed = [name for name, peer in PEERS.items() if peer.installed]
    if not installed:
        raise SystemExit("none of the other libraries is installed; pip install -c constraints.txt -e '.[bench]'")
    return [STUDIO, *installed]
