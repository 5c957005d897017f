"""How well each score, and the verdict, tells images that a model has not seen from its test images.

    python -m benchmarks.ood                      # both included models
    python -m benchmarks.ood fashion-mnist --images 300

It needs scikit-learn, for its digits and photographs. Prints a table of AUROC (1 000 test images against 1 000 of each
set) in Markdown, then the false-alarm rate on all test images. Nothing is fitted to the sets or to test images: the
reference is that of the model, made of its training and validation images.
"""

import argparse
import time
from collections.abc import Iterator
from datetime import date

import numpy as np
import torch

from benchmarks import far_images
from nvp_studio.data.catalogue import load_data
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.references import needed_reference
from nvp_studio.scores.judge import VIEWS, Judgement
from nvp_studio.scores.measures import Images, Measures, measure
from nvp_studio.scores.reference import Reference
from nvp_studio.scores.separation import auroc, auroc_interval, share_interval

SEED = 2026
BATCH = 250
SETS = {
    "fashion-mnist": ("digits", "glyphs", "strokes", "constant", "noise"),
    "peeps": ("photographs", "emoji", "glyphs", "strokes", "constant", "noise"),
}
RATES = (0.05, 0.01)


def far_sets(name: str, test: Images) -> Iterator[tuple[str, Images]]:
    """Sets of as many images as `test`, which is what the last four are made of."""
    for kind in SETS[name]:
        yield kind, far_images.DRAWN[kind](len(test), test.shape[1:], SEED)
    yield "inverted", far_images.inverted(test)
    yield "shuffled", far_images.shuffled(test, SEED)
    yield "upside down", far_images.upside_down(test)
    yield "turned by 90°", far_images.turned(test)


def scores(model: OpenedModel, reference: Reference, images: Images) -> tuple[dict[str, np.ndarray], Judgement]:
    """Each score (N,), larger for more unusual images, and what the judge says."""
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    measures = Measures.joined([measure(model.flow, part) for part in parts])
    said = reference.judge.judge(measures, images)
    bits = measures.first_bits
    named = {
        "bits/dim": bits,
        "two-sided bits/dim": np.abs(bits - np.median(reference.judge.bits_per_dim)),
    }
    texts = {
        "complexity": "bits/dim minus lossless WebP's",
        "statistics": "distance of the statistics",
        "coarse": "distance of the coarsest latents",
        "shape": "shape",
        "turned": "turned",
    }
    named |= {texts[view]: said.views[:, VIEWS.index(view)] for view in ("complexity", "statistics", "coarse")}
    named |= {texts[view]: said.views[:, VIEWS.index(view)] for view in ("shape", "turned")}
    return named | {"**verdict**": said.distance}, said


def table(name: str, images: int) -> None:
    """Print the results of an included model."""
    model, data = open_model(name), load_data(name)
    model.flow.compile()
    start = time.perf_counter()
    reference = needed_reference(model)
    print(f"\n### {name}\n\nreference of {reference.images} images: {time.perf_counter() - start:.0f} s")
    assert data.test is not None
    every = data.test.images
    chosen = np.sort(np.random.default_rng(SEED).choice(len(every), min(images, len(every)), replace=False))
    test = every[chosen]
    usual, _ = scores(model, reference, test)
    columns, found = [], {}
    for kind, far in far_sets(name, test):
        unusual, said = scores(model, reference, far)
        columns.append(kind)
        found[kind] = {score: auroc(usual[score], unusual[score]) for score in usual}
        found[kind]["interval"] = auroc_interval(usual["**verdict**"], unusual["**verdict**"])
        found[kind]["called"] = np.mean([one != "typical" for one in said.verdict])
        found[kind]["far"] = np.mean([one == "far outside" for one in said.verdict])
    print(f"\n| score | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|")
    for score in usual:
        print(f"| {score} | {' | '.join(f'{found[kind][score]:.3f}' for kind in columns)} |")
    low_high = (found[kind]["interval"] for kind in columns)
    print(f"| its 95 % interval | {' | '.join(f'{one.low:.3f} to {one.high:.3f}' for one in low_high)} |")
    for label, key in (("called unusual or far outside", "called"), ("called far outside", "far")):
        print(f"| {label} at 1 % | {' | '.join(f'{found[kind][key]:.1%}' for kind in columns)} |")
    false_alarms(model, reference, every)


def false_alarms(model: OpenedModel, reference: Reference, test: Images) -> None:
    """Print the shares of test images that are called unusual."""
    parts = [test[start : start + BATCH] for start in range(0, len(test), BATCH)]
    said = [reference.judge.judge(measure(model.flow, part), part) for part in parts]
    p_values = np.concatenate([one.p_value for one in said])
    calibration = len(reference.judge.calibration)
    for rate in RATES:
        count = int((p_values <= rate).sum())
        share, low, high = share_interval(count, len(test))
        sampling = 1.96 * np.sqrt(rate * (1 - rate) * (1 / len(test) + 1 / calibration))
        print(
            f"\nfalse alarms at {rate:.0%}: {count} of {len(test)} test images, {share:.2%} ({low:.2%} to {high:.2%}); "
            f"with {calibration} calibration images {rate - sampling:.2%} to {rate + sampling:.2%} are expected"
        )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(SETS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{date.today()}")
    for name in arguments.models:
        table(name, arguments.images)


if __name__ == "__main__":
    main()
