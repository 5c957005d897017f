"""How well each score, and the verdict, tells images that a model has not seen from its test images.

    python -m benchmarks.ood                      # both included models
    python -m benchmarks.ood fashion-mnist --images 300
    python -m benchmarks.ood --write              # and keep the figures in resources/auroc.json, which the window shows

It needs scikit-learn, for its digits and photographs. Prints a table of AUROC (1 000 test images against 1 000 of each
set) in Markdown, then the false-alarm rate on all test images. Nothing is fitted to the sets or to test images: the
reference is that of the model, made of its training and validation images.
"""

import argparse
import platform
import time
from collections.abc import Iterator
from datetime import date

import msgspec
import numpy as np
import torch

from benchmarks import far_images
from nvp_studio.data.catalogue import load_data
from nvp_studio.explore.model import OpenedModel, open_model
from nvp_studio.explore.references import needed_reference
from nvp_studio.files import write_whole
from nvp_studio.resources import INCLUDED_MODELS, resource_path
from nvp_studio.scores.auroc_table import RESOURCE, FalseAlarms, MeasuredModel, alarms_text, markdown, measured_models
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
RATES = (0.01, 0.05)
KEYS = {
    "statistics": "statistics_distance",
    "complexity": "complexity",
    "coarse": "coarse_distance",
    "shape": "shape",
    "turned": "turned",
}
"""The views of the judge, as the columns of a table of scores are called."""


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
        "bits_per_dim": bits,
        "two_sided": np.abs(bits - np.median(reference.judge.bits_per_dim)),
        **{KEYS[view]: said.views[:, place] for place, view in enumerate(VIEWS)},
        "verdict": said.distance,
    }
    return named, said


def measured(name: str, images: int, machine: str) -> MeasuredModel:
    """The figures of an included model."""
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
    sets, found, ends, verdicts = [], {score: [] for score in usual}, [], []
    for kind, far in far_sets(name, test):
        unusual, said = scores(model, reference, far)
        sets.append(kind)
        for score in usual:
            found[score].append(round(auroc(usual[score], unusual[score]), 4))
        ends.append(auroc_interval(usual["verdict"], unusual["verdict"]))
        verdicts.append(np.array(said.verdict))
    return MeasuredModel(
        model=name,
        title=INCLUDED_MODELS[name],
        digest=model.digest[:8],
        images=len(test),
        date=f"{date.today()}",
        machine=machine,
        sets=tuple(sets),
        auroc={score: tuple(values) for score, values in found.items()},
        low=tuple(round(one.low, 4) for one in ends),
        high=tuple(round(one.high, 4) for one in ends),
        called=tuple(float(np.mean(one != "typical")) for one in verdicts),
        far=tuple(float(np.mean(one == "far outside")) for one in verdicts),
        calibration=len(reference.judge.calibration),
        false_alarms=false_alarms(model, reference, every),
    )


def false_alarms(model: OpenedModel, reference: Reference, test: Images) -> tuple[FalseAlarms, ...]:
    """How many test images are called unusual at each rate."""
    parts = [test[start : start + BATCH] for start in range(0, len(test), BATCH)]
    said = [reference.judge.judge(measure(model.flow, part), part) for part in parts]
    p_values = np.concatenate([one.p_value for one in said])
    found = []
    for rate in RATES:
        count = int((p_values <= rate).sum())
        _, low, high = share_interval(count, len(test))
        sampling = 1.96 * float(np.sqrt(rate * (1 - rate) * (1 / len(test) + 1 / len(reference.judge.calibration))))
        found.append(
            FalseAlarms(
                rate=rate,
                count=count,
                images=len(test),
                low=round(low, 5),
                high=round(high, 5),
                expected_low=round(rate - sampling, 5),
                expected_high=round(rate + sampling, 5),
            )
        )
    return tuple(found)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(SETS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="keep the figures, beside those of other models")
    parser.add_argument("--machine", default=platform.processor() or platform.machine(), help="kept with the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    kept = {one.model: one for one in measured_models()} if arguments.write else {}
    for name in arguments.models:
        found = measured(name, arguments.images, arguments.machine)
        print(f"\n{markdown(found)}\n\nfalse alarms {'; '.join(map(alarms_text, found.false_alarms))}")
        if arguments.write:
            kept[name] = found
            content = msgspec.json.format(msgspec.json.encode(tuple(kept[one] for one in SETS if one in kept)))
            write_whole(resource_path(RESOURCE), content + b"\n")


if __name__ == "__main__":
    main()
