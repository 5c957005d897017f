"""Which flow learns most in equal time: trains variants of a preset and scores validation images.

    python -m benchmarks.ablation --list
    python -m benchmarks.ablation --minutes 3 --seeds 0 1 --results ablation.jsonl affine spline ...
    python -m benchmarks.ablation --data peeps --minutes 1 muon equalized
    python -m benchmarks.ablation --table ablation.jsonl

A variant gets as many steps as its cost allows: before it is trained, its step and the reference's are timed in turn
(processor time, one thread), and the budget is counted in steps of the reference, `--reference-ms` each. The outcome
thus depends on the ratio of two costs measured side by side, not on what else the machine does meanwhile, and the same
number of steps gives the same weights again. The test images are never looked at.
"""

import argparse
import copy
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, convert_conv2d_weight_memory_format

from benchmarks.dequantization import VariationalDequantizer, variational_bits, variational_scores
from nvp_studio.data.catalogue import load_data
from nvp_studio.data.dataset import DataSet
from nvp_studio.flow.config import preset_config
from nvp_studio.flow.dequantization import LEVELS
from nvp_studio.flow.flow import Flow
from nvp_studio.training.batches import Batches
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.evaluation import inverse_error, noise_inverse_error
from nvp_studio.training.schedule import learning_rate
from nvp_studio.training.step import objective
from nvp_studio.training.train_state import TrainState, tensors_of, update_average

BASE: dict[str, Any] = {
    "preset": "studio",
    "checkerboard_couplings": 4,
    "channel_couplings": 6,
    "final_couplings": 6,
    "final_mask": "checkerboard",
    "final_mixing": False,
    "law": "affine",
    "network": "residual",
    "blocks": 1,
    "width": 32,
    "normalization": "actnorm",
    "mixing": "conv1x1",
    "conditional_prior": False,
    "optimizer": "adam",
    "batch_size": 32,
    "learning_rate": 4e-3,
    "ema_decay": 0.999,
    "noise_share": 0.0,
    "logit_alpha": 0.05,
    "leak": 0.0,
    "equalize": False,
}
"""The reference that costs are told in, and that a variant differs from in what it names."""

DEPTHWISE: dict[str, Any] = {"network": "depthwise", "width": 48}
SPLINE: dict[str, Any] = {**DEPTHWISE, "law": "spline", "pieces": 6}

VARIANTS: dict[str, dict[str, Any]] = {
    "affine": {},
    "affine, gated": {"network": "gated"},
    "affine, depthwise": DEPTHWISE,
    "spline": SPLINE,
    "spline of 4": {**SPLINE, "pieces": 4},
    "spline of 10": {**SPLINE, "pieces": 10},
    "spline, width 32": {**SPLINE, "width": 32},
    "spline, width 32, 2 blocks": {**SPLINE, "width": 32, "blocks": 2},
    "spline, width 48, 2 blocks": {**SPLINE, "blocks": 2},
    "spline, no checkerboards": {**SPLINE, "checkerboard_couplings": 0, "channel_couplings": 10},
    "spline, fewer couplings": {**SPLINE, "checkerboard_couplings": 2, "channel_couplings": 4, "final_couplings": 4},
    "spline, conditional prior": {**SPLINE, "conditional_prior": True},
    "spline, channel masks at the last scale": {**SPLINE, "final_mask": "channel"},
    "spline, no mixing": {**SPLINE, "mixing": "none"},
    "spline, no ActNorm": {**SPLINE, "normalization": "none"},
    "spline, batch 64": {**SPLINE, "batch_size": 64},
    "spline, rate 0.008": {**SPLINE, "learning_rate": 8e-3},
    "spline, rate 0.002": {**SPLINE, "learning_rate": 2e-3},
    "spline, no average": {**SPLINE, "ema_decay": 0.0},
}

STUDIO: dict[str, Any] = {**SPLINE, "batch_size": 16}
"""The preset as it was with the paper's alpha of the logit and Adam; what follows differs from this in one thing."""

VARIANTS |= {
    "studio": STUDIO,
    "studio, noise share 0.01": {**STUDIO, "noise_share": 0.01},
    "studio, batch 8": {**STUDIO, "batch_size": 8},
    "studio, batch 8, rate 0.002": {**STUDIO, "batch_size": 8, "learning_rate": 2e-3},
    "studio, batch 8, rate 0.008": {**STUDIO, "batch_size": 8, "learning_rate": 8e-3},
    "studio, batch 4": {**STUDIO, "batch_size": 4},
    "studio, rate 0.008": {**STUDIO, "learning_rate": 8e-3},
    "studio, rate 0.002": {**STUDIO, "learning_rate": 2e-3},
    "studio, fewer couplings": {**STUDIO, "checkerboard_couplings": 2, "channel_couplings": 4, "final_couplings": 4},
    "studio, width 32": {**STUDIO, "width": 32},
    "studio, width 64": {**STUDIO, "width": 64},
    "studio, gated": {**STUDIO, "network": "gated", "width": 32},
    "studio, no mixing": {**STUDIO, "mixing": "none"},
    "studio, no ActNorm": {**STUDIO, "normalization": "none"},
    "studio, average of 0.99": {**STUDIO, "ema_decay": 0.99},
    "studio, clip at 10": {**STUDIO, "gradient_clip": 10.0},
    "studio, clip at 100": {**STUDIO, "gradient_clip": 100.0},
}

VARIANTS |= {
    "studio, variational dequantization": {**STUDIO, "dequantization": "variational"},
    "studio, growing batches": {**STUDIO, "batches": ((0.5, 8), (0.3, 16), (0.2, 32))},
    "studio, batch 64": {**STUDIO, "batch_size": 64},
    "studio, alpha 0.01": {**STUDIO, "logit_alpha": 0.01},
    "studio, alpha 0.001": {**STUDIO, "logit_alpha": 0.001},
    "studio, alpha 0.0001": {**STUDIO, "logit_alpha": 1e-4},
    "studio, alpha 0.00001": {**STUDIO, "logit_alpha": 1e-5},
    "studio, alpha 0.0001, affine": {**STUDIO, "logit_alpha": 1e-4, "law": "affine"},
    "studio, 12 bins": {**STUDIO, "pieces": 12},
}

MUON: dict[str, Any] = {**STUDIO, "logit_alpha": 1e-4, "leak": 0.1, "optimizer": "muon"}
"""The preset before its levels were equalized; without the leak and with Adam it is "studio, alpha 0.0001"."""

VARIANTS |= {
    "muon": MUON,
    "muon, no leak": {**MUON, "leak": 0.0},
    "muon, Adam": {**MUON, "optimizer": "adam"},
    "muon, rate 0.002": {**MUON, "learning_rate": 2e-3},
    "muon, rate 0.008": {**MUON, "learning_rate": 8e-3},
    "muon, batch 8": {**MUON, "batch_size": 8},
    "muon, batch 32": {**MUON, "batch_size": 32},
    "muon, width 32": {**MUON, "width": 32},
    "muon, width 64": {**MUON, "width": 64},
    "muon, 2 blocks": {**MUON, "blocks": 2},
    "muon, fewer couplings": {**MUON, "checkerboard_couplings": 2, "channel_couplings": 4, "final_couplings": 4},
    "muon, affine": {**MUON, "law": "affine"},
    "muon, 12 bins": {**MUON, "pieces": 12},
    "muon, conditional prior": {**MUON, "conditional_prior": True},
    "muon, no mixing": {**MUON, "mixing": "none"},
}

EQUALIZED: dict[str, Any] = {**MUON, "equalize": True}
"""The preset as it is."""
WIDE_SPLINE: dict[str, Any] = {**EQUALIZED, "pieces": 12}
COARSE: dict[str, Any] = {**WIDE_SPLINE, "final_mixing": True, "conditional_prior": True}
"""With four scales and a width of 56, the model of Peeps that ships."""

VARIANTS |= {
    "equalized": EQUALIZED,
    "equalized, affine": {**EQUALIZED, "law": "affine"},
    "equalized, 12 bins": WIDE_SPLINE,
    "equalized, mixed to the end": {**EQUALIZED, "final_mixing": True},
    "equalized, 12 bins, mixed to the end": {**WIDE_SPLINE, "final_mixing": True},
    "equalized, 12 bins, mixed, conditional prior": COARSE,
    "equalized, 12 bins, mixed, conditional prior, 4 scales": {**COARSE, "scales": 4, "final_couplings": 4},
}

QUICK: dict[str, Any] = {
    **EQUALIZED,
    "channel_couplings": 4,
    "final_couplings": 2,
    "width": 32,
    "batch_size": 8,
    "learning_rate": 8e-3,
}
"""The preset `quick`, for a budget of a minute."""

VARIANTS |= {
    "quick": QUICK,
    "quick, rate 0.004": {**QUICK, "learning_rate": 4e-3},
    "quick, rate 0.016": {**QUICK, "learning_rate": 16e-3},
    "quick, batch 4": {**QUICK, "batch_size": 4},
    "quick, batch 16": {**QUICK, "batch_size": 16},
    "quick, batch 16, rate 0.004": {**QUICK, "batch_size": 16, "learning_rate": 4e-3},
    "quick, width 48": {**QUICK, "width": 48},
}

TRAINING = set(TrainConfig.__struct_fields__)
HERE = {"dequantization", "batches"}
"""What a variant may name that no run has: `dequantization` by a flow of its own, and `batches` that grow, as pairs of
a share of the budget and a batch size."""


class Part(NamedTuple):
    """A part of a variant's training with batches of one size."""

    share: float
    """Of the budget."""
    batch_size: int
    cost: float
    """Of a step, in steps of the reference."""
    steps: int


def settings(variant: dict[str, Any], shape: tuple[int, int, int], steps: int, seed: int) -> TrainConfig:
    """The run's configuration: the variant's settings over the base's."""
    fields = {**BASE, **variant}
    training = {name: value for name, value in fields.items() if name in TRAINING}
    architecture = {name: value for name, value in fields.items() if name not in TRAINING | HERE}
    flow = msgspec.structs.replace(preset_config(fields["preset"], shape), **architecture)
    return TrainConfig(**training, flow=flow, steps=steps, seed=seed, threads=1, device="cpu")


class NoiseTrainState:
    """A variational dequantizer that learns beside a flow, by the same loss, rate and average."""

    def __init__(self, config: TrainConfig) -> None:
        assert config.flow is not None
        self.dequantizer = VariationalDequantizer(config.flow.image_shape[0])
        convert_conv2d_weight_memory_format(self.dequantizer, torch.channels_last)
        self.optimizer = torch.optim.Adam(self.dequantizer.parameters(), fused=True)
        self.averaged = copy.deepcopy(self.dequantizer).requires_grad_(False).eval()
        self._decay = config.ema_decay
        self._updates = 0

    def loss(self, flow: Flow, x: Tensor) -> Tensor:
        """Bits/dim of the images of x, which are dequantized anew, by the noise that they came with."""
        self.optimizer.zero_grad(set_to_none=True)
        values = x * LEVELS
        levels = values.floor().clamp(max=LEVELS - 1)
        return variational_bits(flow, self.dequantizer, levels, values - levels).mean()

    def update(self, rate: float) -> None:
        """Take an optimizer step with the gradients at hand, and average the weights."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        update_average(tensors_of(self.averaged), tensors_of(self.dequantizer), self._decay, self._updates)
        self._updates += 1


class Trial:
    """One variant being trained."""

    def __init__(self, config: TrainConfig, data: DataSet, *, variational: bool = False) -> None:
        self.config = config
        self.data = data
        torch.manual_seed(config.seed)
        assert config.flow is not None
        flow = Flow(config.flow)
        self.resize(config.batch_size)
        flow.initialize(self.batches.take(0), data.train.images)
        self.state = TrainState(flow, config)
        self.noise_state = NoiseTrainState(config) if variational else None

    def resize(self, batch_size: int) -> None:
        """Take batches of this size from now on."""
        self.config = msgspec.structs.replace(self.config, batch_size=batch_size)
        self.batches = Batches(self.data.train.images, batch_size, self.config.seed, device=torch.device("cpu"))

    def step(self, number: int, fraction: float, batch: int | None = None) -> float:
        """Take step `number` with `fraction` of the budget used up; its loss in bits/dim.

        `batch` is the batch's place in the stream of such batches, `number` without it.
        """
        state, config = self.state, self.config
        state.flow.zero_grad(set_to_none=True)
        place = number if batch is None else batch
        noise_range = (0, self.batches.noise_count if config.noise_share else 0)
        x, noise = self.batches.micro_batch(place, 0, (0, config.batch_size), noise_range)
        parameters = list(state.flow.parameters())
        if self.noise_state is None:
            aim, loss = objective(state.flow, x, noise, config)
        else:
            aim = loss = self.noise_state.loss(state.flow, x)
            parameters += self.noise_state.dequantizer.parameters()
        aim.backward()  # type: ignore[no-untyped-call] # torch leaves it without types
        norm = clip_grad_norm_(parameters, config.gradient_clip)
        if torch.isfinite(norm) and torch.isfinite(loss):
            rate = learning_rate(config, number, fraction)
            state.update(rate)
            if self.noise_state is not None:
                self.noise_state.update(rate)
        return loss.item()


def relative_cost(variant: dict[str, Any], data: DataSet, rounds: int) -> float:
    """Cost of the variant's step over the reference's: median of ratios of steps taken in turn."""
    ours, theirs = (trial(fields, data, 100, 0) for fields in (variant, {}))
    ratios: list[float] = []
    for number in range(rounds + 2):
        times = []
        for each in (ours, theirs):
            start = time.thread_time()
            each.step(number, number / 100)
            times.append(time.thread_time() - start)
        ratios.append(times[0] / times[1])
    return statistics.median(ratios[2:])


def trial(variant: dict[str, Any], data: DataSet, steps: int, seed: int) -> Trial:
    """The variant before its first step."""
    config = settings(variant, data.image_shape, steps, seed)
    return Trial(config, data, variational=variant.get("dequantization") == "variational")


def plan(variant: dict[str, Any], budget: float, data: DataSet, rounds: int) -> list[Part]:
    """The parts of the variant's training that cost as much as `budget` steps of the reference."""
    parts: list[Part] = []
    batch_size = variant.get("batch_size", BASE["batch_size"])
    for share, size in variant.get("batches", ((1.0, batch_size),)):
        cost = relative_cost({**variant, "batch_size": size}, data, rounds)
        parts.append(Part(share, size, cost, max(1, round(share * budget / cost))))
    return parts


def train(ours: Trial, parts: list[Part]) -> list[float]:
    """Take the steps of all parts; their losses. Images go on where the part before left off."""
    losses: list[float] = []
    before, images = 0.0, 0
    for part in parts:
        ours.resize(part.batch_size)
        first = -(-images // part.batch_size)
        for number in range(part.steps):
            fraction = before + part.share * number / part.steps
            losses.append(ours.step(len(losses), fraction, first + number))
        before += part.share
        images = (first + part.steps) * part.batch_size
    return losses


def run(name: str, data: DataSet, arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Train one variant from one seed; its row of the results."""
    variant = VARIANTS[name]
    budget = arguments.minutes * 60_000 / arguments.reference_ms
    parts = plan(variant, budget, data, arguments.rounds)
    steps = sum(part.steps for part in parts)
    ours = trial(variant, data, steps, seed)
    started = time.thread_time()
    losses = train(ours, parts)
    seconds = time.thread_time() - started
    averaged = ours.state.averaged
    images = data.validation.images[: arguments.images]
    row = {
        "variant": name,
        **({} if data.name == "fashion-mnist" else {"data": data.name}),
        "seed": seed,
        "minutes": arguments.minutes,
        "cost": round(sum(part.cost * part.steps for part in parts) / steps, 3),
        "steps": steps,
        "batch": parts[-1].batch_size,
        "seconds": round(seconds, 1),
        "parameters": sum(p.numel() for p in averaged.flow.parameters()),
        "train": round(statistics.fmean(losses[-100:]), 4),
        "validation": round(averaged.bits_per_dim(images).mean().item(), 4),
        "inverse_error": inverse_error(averaged, images[:16], seed),
        "noise_inverse_error": noise_inverse_error(averaged, 16, seed),
    }
    if ours.noise_state is not None:
        scores = variational_scores(averaged.flow, ours.noise_state.averaged, images)
        row["validation_variational"] = round(scores.mean().item(), 4)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The results as Markdown: mean over seeds, and the spread from lowest to highest."""
    groups: dict[tuple[float, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        place = f", on {row['data']}" if "data" in row else ""
        groups[row["minutes"], row["variant"] + place].append(row)
    lines = ["| minutes | variant | cost | steps | bits/dim | spread | seeds |", "|---:|---|---:|---:|---:|---:|---:|"]
    means = {key: statistics.fmean(row["validation"] for row in group) for key, group in groups.items()}
    for key in sorted(groups, key=lambda key: (key[0], means[key])):
        values = [row["validation"] for row in groups[key]]
        first = groups[key][0]
        lines.append(
            f"| {key[0]:g} | {key[1]} | {first['cost']:.2f} | {first['steps']} | {means[key]:.3f} "
            f"| {max(values) - min(values):.3f} | {len(values)} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", help="names of variants; all without any")
    parser.add_argument("--data", default="fashion-mnist", help="name in the catalogue")
    parser.add_argument("--minutes", type=float, default=3.0, help="budget in minutes of the reference's time")
    parser.add_argument("--reference-ms", type=float, default=200.0, help="what a step of the reference counts as")
    parser.add_argument("--rounds", type=int, default=9, help="steps in turn that the cost is measured over")
    parser.add_argument("--images", type=int, default=1000, help="validation images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--results", type=Path, default=Path("ablation.jsonl"))
    parser.add_argument("--table", type=Path, help="only print the table of this file")
    parser.add_argument("--list", action="store_true", help="only name the variants")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{name}: {json.dumps(variant)}" for name, variant in VARIANTS.items()))
        return
    if arguments.table:
        print(table([json.loads(line) for line in arguments.table.read_text().splitlines()]))
        return
    torch.set_num_threads(1)
    data = load_data(arguments.data)
    for seed in arguments.seeds:
        for name in arguments.variants or VARIANTS:
            row = run(name, data, arguments, seed)
            print(json.dumps(row), flush=True)
            with arguments.results.open("a") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
