"""How much of a model's networks is silent: feature maps that fall below zero everywhere say nothing by relu.

    python -m benchmarks.silence fashion-mnist --data fashion-mnist
    python -m benchmarks.silence runs/mine/checkpoints/last.safetensors --data peeps --images 128

For each coupling with networks of other kinds than `residual`, in the order of the way from image to latent: the share
of values before the last convolution that lie above zero, and the share of feature maps that never do.
"""

import argparse

import torch
from torch import Tensor, nn

from nvp_studio import load
from nvp_studio.data.catalogue import load_data
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.flow import Flow
from nvp_studio.flow.networks import PlainNetwork


def loudness(flow: Flow, x: Tensor) -> dict[str, tuple[float, float]]:
    """For each network by its name: the parts of values above zero and of silent feature maps, for images x."""
    found: dict[str, tuple[float, float]] = {}

    def measure(name: str) -> None:
        def hook(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            above = output > 0
            silent = ~above.amax((0, 2, 3))
            found[name] = (above.float().mean().item(), silent.float().mean().item())

        network.blocks.register_forward_hook(hook)

    for name, network in flow.named_modules():
        if isinstance(network, PlainNetwork):
            measure(name)
    with torch.no_grad():
        flow.encode(x)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name of an included model, or path of a checkpoint")
    parser.add_argument("--data", default="fashion-mnist", help="name in the catalogue, or path")
    parser.add_argument("--images", type=int, default=64)
    arguments = parser.parse_args()
    images = load_data(arguments.data).validation.images[: arguments.images]
    found = loudness(load(arguments.model).flow, unit_from_images(torch.from_numpy(images), 0.5))
    print("| network | values above zero | silent feature maps |\n|---|---:|---:|")
    for name, (above, silent) in found.items():
        print(f"| {name.removeprefix('body.scales.')} | {above:.3f} | {silent:.2f} |")
    print(f"\nsilent in all: {sum(silent for _, silent in found.values()) / len(found):.3f}")


if __name__ == "__main__":
    main()
