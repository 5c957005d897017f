"""Two flows by FrEIA: the convolutional example of its documentation, and a Glow of its all-in-one blocks.

Sources: https://vislearn.github.io/FrEIA/_build/html/tutorial/examples/convolutional.html (`convolutional`), and for
`build`, of which there is no example for images, the block of the quick start with learned scales and fixed rotations,
put together by https://vislearn.github.io/FrEIA/_build/html/tutorial/tips_tricks_faq.html: reshape early, networks of
two convolutions with many feature maps, every other one of 1x1, gradients clipped. Half of the values leave after each
of three scales of eight blocks, as in Glow. Pixels are standardized. The example's networks start at zero, as the
tips say of deep flows: with torch's own start its values grow to 1e19. A single channel cannot be coupled, so grey
images are halved once before the first coupling.
"""

from collections.abc import Callable
from typing import cast

import FrEIA.framework as Ff
import FrEIA.modules as Fm
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers.models import PeerFlow, Shape, Standardize, halvings

SCALES, BLOCKS, WIDTH = 3, 8, 256


class FreiaFlow(PeerFlow):
    """A graph whose only output is a vector, after standardized pixels."""

    def __init__(self, shape: Shape, nodes: list[Ff.Node]) -> None:
        super().__init__()
        self.shape = shape
        self.standardize = Standardize()
        self.graph = Ff.GraphINN(nodes)

    def initialize(self, x: Tensor) -> None:
        """Take the scale of pixels from training images."""
        self.standardize.fit(x)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, first = self.standardize.encode(x)
        z, second = self.graph(y)
        return z, first + second

    def decode(self, z: Tensor) -> Tensor:
        return self.standardize.decode(self.graph(z, rev=True, jac=False)[0])


Network = Callable[[int, int], nn.Module]
"""From the numbers of inputs and outputs to a network s, t: a "subnet constructor" of FrEIA."""


def _network(kernel: int, width: int, *, zero: bool = False) -> Network:
    def network(inputs: int, outputs: int) -> nn.Module:
        first, last = (nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b in ((inputs, width), (width, outputs)))
        return nn.Sequential(first, nn.ReLU(), _zero(last) if zero else last)

    return network


def _connected(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, 512), nn.ReLU(), _zero(nn.Linear(512, outputs)))


def _zero(layer: nn.Conv2d | nn.Linear) -> nn.Module:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer


def build(shape: Shape, blocks: int = BLOCKS, width: int = WIDTH) -> FreiaFlow:
    """A Glow of `AllInOneBlock` for images (C, H, W), with three scales, or as many as they can be halved."""
    np.random.seed(torch.initial_seed() % 2**32)  # the blocks draw their rotations there
    scales, maps = halvings(shape, SCALES), shape[0]
    nodes: list[Ff.Node] = [Ff.InputNode(*shape)]
    left: list[Ff.Node] = []
    last = nodes[-1].out0
    for scale in range(scales):
        nodes.append(Ff.Node(last, Fm.IRevNetDownsampling, {}))
        maps *= 4
        for block in range(blocks):
            network = _network(1 if block % 2 == 0 else 3, width)
            nodes.append(
                Ff.Node(nodes[-1].out0, Fm.AllInOneBlock, {"subnet_constructor": network, "permute_soft": True})
            )
        last = nodes[-1].out0
        if scale < scales - 1:
            maps //= 2
            split = Ff.Node(last, Fm.Split, {"section_sizes": (maps, maps), "dim": 0})
            flat = Ff.Node(split.out1, Fm.Flatten, {})
            nodes += [split, flat]
            left.append(flat)
            last = split.out0
    nodes.append(Ff.Node(last, Fm.Flatten, {}))
    nodes.append(Ff.Node([nodes[-1].out0, *(node.out0 for node in left)], Fm.Concat, {"dim": 0}))
    nodes.append(Ff.OutputNode(nodes[-1].out0))
    return FreiaFlow(shape, nodes)


def convolutional(shape: Shape, fine: int = 4, coarse: int = 12, connected: int = 12) -> FreiaFlow:
    """The documentation's example, with so many blocks at each resolution and on the vector."""
    nodes: list[Ff.Node] = [Ff.InputNode(*shape)]

    def couple(count: int, constructors: list[Network], clamp: float) -> None:
        for k in range(count):
            settings = {"subnet_constructor": constructors[k % len(constructors)], "clamp": clamp}
            nodes.append(Ff.Node(nodes[-1].out0, Fm.GLOWCouplingBlock, settings))
            nodes.append(Ff.Node(nodes[-1].out0, Fm.PermuteRandom, {"seed": k}))

    if shape[0] == 1:
        nodes.append(Ff.Node(nodes[-1].out0, Fm.IRevNetDownsampling, {}))
    couple(fine, [_network(3, 256, zero=True)], 1.2)
    nodes.append(Ff.Node(nodes[-1].out0, Fm.IRevNetDownsampling, {}))
    couple(coarse, [_network(1, 256, zero=True), _network(3, 256, zero=True)], 1.2)
    nodes.append(Ff.Node(nodes[-1].out0, Fm.Flatten, {}))
    size = shape[0] * shape[1] * shape[2]
    split = Ff.Node(nodes[-1].out0, Fm.Split, {"section_sizes": (size // 4, size - size // 4), "dim": 0})
    nodes.append(split)
    couple(connected, [_connected], 2.0)
    nodes.append(Ff.Node([nodes[-1].out0, split.out1], Fm.Concat, {"dim": 0}))
    nodes.append(Ff.OutputNode(nodes[-1].out0))
    return FreiaFlow(shape, nodes)
