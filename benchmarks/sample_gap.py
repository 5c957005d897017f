"""How much worse a model scores its own samples than test images, and where the difference arises.

    python -m benchmarks.sample_gap peeps fashion-mnist
    python -m benchmarks.sample_gap peeps --temperatures 1 0.3,0.3,0.8,1
    python -m benchmarks.sample_gap peeps --temperatures 1 --redraw 0 3 0,1,2

Under a perfect model both would score alike. A sample x at temperature T, brought to 8 bits as the program does it and
scored under uniform dequantization, differs from test images by two amounts, in bits/dim:

- density: -log2 p of the sample x itself, less the score of test images. The model's density is spread more widely
  than the data, or its samples lie where no images are.
- rounding: the score of the 8-bit image of x, less -log2 p of x. It is zero where the density is flat within a level.

Each is the sum of what the preprocessing and the scales add (log-determinant and prior of the scale's latents). The
percentile is that of the median sample among the test images.

With `--redraw`, the latents of these scales alone (0 is the finest) are drawn; the others are those of test images.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import nvp_studio
from nvp_studio.data.catalogue import load_data
from nvp_studio.flow.dequantization import LEVELS, images_from_unit, unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.noise import content_noise
from nvp_studio.flow.prior import standard_normal_log_prob

BATCH = 50


@dataclass(frozen=True)
class Gap:
    """The gap at one temperature, in bits/dim; lists are the preprocessing's part and each scale's, finest first."""

    model: str
    temperatures: list[float]
    """One for all scales, or one for each, finest first."""
    redrawn: list[int]
    """The scales that were drawn; the others have the latents of test images. Empty: all."""
    samples: int
    test_images: int
    test: float
    own: float
    """Mean score of the 8-bit samples."""
    gap: float
    error: float
    """Standard error of the gap."""
    density: float
    rounding: float
    density_parts: list[float]
    rounding_parts: list[float]
    median_percentile: float


def bits_by_part(flow: Inference, x: Tensor) -> Tensor:
    """What the preprocessing and each scale add to the bits/dim of x (N, C, H, W): (N, 1 + scales) float64."""
    y, log_det = flow.preprocessing(x.to(flow.latent_dtype))
    parts = [log_det]
    for z, scale_log_det in flow.body.by_scale(y):
        parts.append(standard_normal_log_prob(z) + scale_log_det)
    bits: Tensor = -torch.stack(parts, 1) / (flow.config.dimensions * np.log(2))
    bits[:, 0] += np.log2(LEVELS)
    return bits


def bits_of_images(flow: Inference, images: NDArray[np.uint8]) -> Tensor:
    """The same for 8-bit images (N, H, W, C) with the noise that the program scores them with."""
    noise = torch.from_numpy(content_noise(images, 0, 0)).to(flow.dtype)
    return bits_by_part(flow, unit_from_images(torch.from_numpy(images), noise))


@torch.no_grad()
def measure(
    flow: Inference,
    test: NDArray[np.uint8],
    model: str,
    temperatures: list[float],
    count: int,
    seed: int,
    redrawn: list[int],
) -> Gap:
    """The gap of `count` samples against the images `test` (N, H, W, C)."""
    data = torch.cat([bits_of_images(flow, images) for images in _batches(test)])
    continuous, rounded = [], []
    temperature = temperatures[0] if len(temperatures) == 1 else temperatures
    latents = flow.latents(count, temperature, seed)
    if redrawn:
        kept = torch.cat([_latents_of_images(flow, images) for images in _batches(test[:count])])
        latents = latents[: len(kept)]
        for index, scale in enumerate(flow.scales):
            if index not in redrawn:
                latents[:, scale.start : scale.stop] = kept[:, scale.start : scale.stop]
    for z in torch.split(latents, BATCH):
        x = flow.decode(z).clamp(0, 1)
        continuous.append(bits_by_part(flow, x))
        rounded.append(bits_of_images(flow, images_from_unit(x).numpy()))
    own, sampled = torch.cat(rounded), torch.cat(continuous)
    density, rounding = sampled.mean(0) - data.mean(0), own.mean(0) - sampled.mean(0)
    scores, reference = own.sum(1), data.sum(1)
    error = (scores.var() / len(scores) + reference.var() / len(reference)).sqrt()
    return Gap(
        model=model,
        temperatures=temperatures,
        redrawn=redrawn,
        samples=len(latents),
        test_images=len(test),
        test=reference.mean().item(),
        own=scores.mean().item(),
        gap=(scores.mean() - reference.mean()).item(),
        error=error.item(),
        density=density.sum().item(),
        rounding=rounding.sum().item(),
        density_parts=density.tolist(),
        rounding_parts=rounding.tolist(),
        median_percentile=100 * (reference < scores.median()).double().mean().item(),
    )


def _latents_of_images(flow: Inference, images: NDArray[np.uint8]) -> Tensor:
    noise = torch.from_numpy(content_noise(images, 0, 0)).to(flow.dtype)
    return flow.encode(unit_from_images(torch.from_numpy(images), noise))[0]


def _batches(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    for start in range(0, len(images), BATCH):
        yield np.ascontiguousarray(images[start : start + BATCH])


def table(gaps: list[Gap]) -> str:
    """The gaps as a table in Markdown."""
    rows = [
        "| model | temperature | test | own samples | gap | density | rounding | percentile of the median sample |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rows += [
        f"| {_name(gap)} | {_text(gap.temperatures)} | {gap.test:.3f} | {gap.own:.3f} | "
        f"{gap.gap:+.3f} ± {gap.error:.3f} | {gap.density:+.3f} | {gap.rounding:+.3f} | {gap.median_percentile:.0f} |"
        for gap in gaps
    ]
    for name in ("density", "rounding"):
        for gap in gaps:
            parts = " | ".join(f"{part:+.3f}" for part in getattr(gap, f"{name}_parts"))
            rows.append(f"{name} by preprocessing and scale, {_name(gap)} at {_text(gap.temperatures)}: {parts}")
    return "\n".join(rows)


def _name(gap: Gap) -> str:
    return gap.model + (f", scales {_text(gap.redrawn)} redrawn" if gap.redrawn else "")


def _text(temperatures: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in temperatures)


def _temperatures(text: str) -> list[float]:
    return [float(value) for value in text.split(",")]


def _scales(text: str) -> list[int]:
    return [int(value) for value in text.split(",")]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="included models, run folders or checkpoints")
    parser.add_argument("--data", help="data set whose test images are compared with; without it, the model's")
    parser.add_argument(
        "--temperatures",
        type=_temperatures,
        nargs="+",
        default=[[1.0], [0.8]],
        help="each a number, or one for each scale: 0.3,0.3,0.8,1",
    )
    parser.add_argument(
        "--redraw", type=_scales, nargs="+", default=[[]], help="scales to draw, each 0 or 0,1,2; else all are drawn"
    )
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--test-images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="file that a line for each model and temperature is appended to")
    args = parser.parse_args()
    gaps = []
    for model in args.models:
        flow = nvp_studio.load(model)
        flow.compile()
        data = load_data(args.data or model).test
        assert data is not None
        for temperatures, redrawn in product(args.temperatures, args.redraw):
            test = data.images[: args.test_images]
            gap = measure(flow, test, model, temperatures, args.samples, args.seed, redrawn)
            gaps.append(gap)
            if args.json:
                with args.json.open("a") as file:
                    file.write(json.dumps(asdict(gap)) + "\n")
    print(table(gaps))


if __name__ == "__main__":
    main()
