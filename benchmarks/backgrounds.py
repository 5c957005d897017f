"""How much of the background of Peeps is of one colour, in samples and in the test images.

    python -m benchmarks.backgrounds peeps runs/another --temperatures 0.7 0.8 1.0

Every face of Peeps stands before one flat colour. The figure is the share of pixels along the upper edges, the top row
and the upper halves of the left and right columns, that are within `NEAR` levels of the commonest colour among them. It
is not 1 for the test images, whose hair may reach the edges.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

import nvp_studio
from nvp_studio.data.catalogue import load_data
from nvp_studio.flow.dequantization import images_from_unit

NEAR = 16
"""Levels, in each channel."""


def share_of_one_colour(images: NDArray[np.uint8]) -> float:
    """The mean over images (N, H, W, C)."""
    half = images.shape[1] // 2
    edges = np.concatenate((images[:, 0], images[:, 1:half, 0], images[:, 1:half, -1]), 1).astype(np.int16)
    shares = [(np.abs(edge[:, None] - edge[None]).max(-1) <= NEAR).mean(1).max() for edge in edges]
    return float(np.mean(shares))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="included models, run folders or checkpoints")
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.7, 0.8, 1.0])
    parser.add_argument("--count", type=int, default=200, help="samples of each")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    test = load_data("peeps").test
    assert test is not None
    print(f"test images: {share_of_one_colour(test.images):.3f}")
    for model in args.models:
        flow = nvp_studio.load(model)
        for temperature in args.temperatures:
            samples = flow.sample(args.count, temperature=temperature, seed=args.seed)
            images = images_from_unit(samples).numpy()
            print(f"{model} at {temperature}: {share_of_one_colour(images):.3f}", flush=True)


if __name__ == "__main__":
    main()
