"""How far images come back from where a model sends them: the largest error of a pixel, of many images of every kind.

    python -m benchmarks.inverse peeps --data peeps --count 1000

Half a grey level, 1/512 of the grey range, is the bound, and how many images are beyond it is told. They are encoded a
hundred at a time and decoded in three ways: likewise, one by one, and from latents that were rounded to float32.
"""

import argparse
from collections.abc import Iterator

import torch
from torch import Tensor

import nvp_studio
from nvp_studio.data.catalogue import load_data
from nvp_studio.flow.dequantization import unit_from_images
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.training.evaluation import HALF_A_LEVEL

BATCH = 100


def kinds(flow: Inference, data: str, count: int, temperatures: list[float]) -> Iterator[tuple[str, Tensor]]:
    """What to send there and back, with its name."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(count, *flow.config.image_shape, generator=generator)
    test = load_data(data).test
    if test is not None:
        images = torch.from_numpy(test.images[:count].copy())
        yield "test images", unit_from_images(images, noise[: len(images)].permute(0, 2, 3, 1))
    yield "noise", noise
    for temperature in temperatures:
        yield f"samples at {temperature}", flow.sample(count, temperature=temperature, seed=0).clamp(0, 1)


@torch.no_grad()
def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="an included model, a run folder or a checkpoint")
    parser.add_argument("--data", required=True, help="whose test images, a name in the catalogue or a path")
    parser.add_argument("--count", type=int, default=1000, help="images of each kind")
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.5, 0.8, 1.0])
    args = parser.parse_args()
    flow = nvp_studio.load(args.model)
    print("| images | as encoded | beyond | one by one | beyond | latents in float32 | beyond |\n|---|" + "---:|" * 6)
    for name, x in kinds(flow, args.data, args.count, args.temperatures):
        ways: tuple[list[Tensor], ...] = ([], [], [])
        for part in torch.split(x, BATCH):
            z = flow.encode(part)[0]
            single = torch.cat([flow.decode(one) for one in z.split(1)])
            for errors, back in zip(ways, (flow.decode(z), single, flow.decode(z.float())), strict=True):
                errors.append((back - part).abs().amax((1, 2, 3)))
        found = [torch.cat(errors) for errors in ways]
        cells = [f"{errors.max():.1e} | {(errors > HALF_A_LEVEL).sum()}" for errors in found]
        print(f"| {len(x):,} {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
