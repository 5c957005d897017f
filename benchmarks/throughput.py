"""Throughput of the engine against the plain mathematics of `nvp_studio.flow`, in one interleaved run.

    python -m benchmarks.throughput                              # the studio preset at 28x28, torch's default threads
    python -m benchmarks.throughput --shape 3 32 32 --threads 1
    python -m benchmarks.throughput --device cuda --json
    python -m benchmarks.throughput --precision bfloat16         # networks in bfloat16 against the engine in float32
    python -m benchmarks.throughput --narrow                     # against the engine with all values in float32
    python -m benchmarks.throughput --uncompiled                 # against the engine without compiled loops

Each round times both, one right after the other and in alternating order, so that what else the machine does falls on
both alike; what counts is the median over the rounds of the ratio within a round. A training step is zero_grad,
forward, backward, clipping and the optimizer's step; the engine's includes the moving average of its weights, and its
networks compute in what a run would choose on the device. The plain side is the flow without `engine.accelerate`, its
checkerboards masked as published, trained by torch's Adam. On CUDA it multiplies in TensorFloat-32, which
is torch's default for convolutions, and the engine never does.
Log-likelihoods and decoding are without gradients, the engine's by `Inference` after its `compile`, as of an opened
model.
"""

import argparse
import copy
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.coupling import Coupling
from nvp_studio.flow.engine.fused_spline import FusedSplineTransform, _SplineFunction
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.training.config import TrainConfig
from nvp_studio.training.train_state import TrainState, settled_precision

TRAINING, LIKELIHOOD, DECODE = "training", "log-likelihood", "decoding one image"
TARGETS = {TRAINING: 2.0, LIKELIHOOD: 2.0, DECODE: 3.0}
"""Least ratios of plain time to the engine's, on two cores."""
WARM_UP_STEPS = 3
PLAIN = "plain"


@dataclass(frozen=True)
class Timing:
    """Seconds of one piece of work: on the clock, and of the processors by all threads of this process."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Comparison:
    """Medians over the rounds: seconds a call of each side, and ratios within a round, plain by the engine's."""

    what: str
    images: int
    engine: Timing
    plain: Timing
    wall_ratio: float
    wall_ratio_quartiles: tuple[float, float]
    cpu_ratio: float
    target: float


@dataclass(frozen=True)
class Side:
    """What is timed of one of the two programs, by name."""

    name: str
    work: dict[str, Callable[[], object]]
    parameters: int
    tensor_float: bool = False
    """Whether CUDA's convolutions may round to TensorFloat-32."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="studio")
    parser.add_argument("--shape", type=int, nargs=3, default=(1, 28, 28), metavar=("C", "H", "W"))
    parser.add_argument("--set", default="{}", metavar="JSON", help='changes to the preset, as {"width": 48}')
    parser.add_argument("--threads", type=int, help="for both; default: torch's own choice")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch-size", type=int, default=64, help="images in a training step and in a scored batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="compare the engine, trained with its networks in this, with the engine in float32",
    )
    parser.add_argument(
        "--narrow",
        action="store_true",
        help="compare the engine with itself when it answers with values in float32 too",
    )
    parser.add_argument(
        "--uncompiled",
        action="store_true",
        help="compare the engine with itself when couplings are not computed by compiled loops",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    config = _config(options.preset, tuple(options.shape), options.set)
    torch.manual_seed(0)
    images = torch.rand(options.batch_size, *config.image_shape, device=options.device)
    z = torch.randn(1, config.dimensions, device=options.device)
    engine = engine_side(config, images, z, options.precision or "auto")
    if options.narrow:
        plain = engine_side(config, images, z, options.precision or "auto", Narrow)
    elif options.uncompiled:
        plain = engine_side(config, images, z, options.precision or "auto", Uncompiled)
    elif options.precision:
        plain = engine_side(config, images, z, "float32")
    else:
        plain = plain_side(config, images, z)
    found = compare(engine, plain, options.rounds, options.batch_size, torch.device(options.device))
    if options.json:
        facts = {"machine": _machine(options.device), "config": msgspec.to_builtins(config), "rounds": options.rounds}
        print(json.dumps(facts | {"date": str(date.today()), "comparisons": [asdict(one) for one in found]}, indent=2))
        return
    c, h, w = config.image_shape
    print(f"{_machine(options.device)}; {date.today()}")
    print(
        f"`{options.preset}`, {h}x{w}x{c}, {config.law} couplings, {config.network} networks of width {config.width}; "
    )
    print(f"parameters: {engine.name} {engine.parameters:,}, {plain.name} {plain.parameters:,}; ", end="")
    print(f"batches of {options.batch_size}; {options.rounds} rounds\n")
    _print_table(found, engine.name, plain.name, with_targets=plain.name == PLAIN)


class Narrow(Inference):
    """Values pass through the couplings in the type of the weights."""

    def _value_type(self) -> torch.dtype:
        return self.dtype


class Uncompiled(Inference):
    """Couplings are computed by torch alone."""

    def compile(self) -> None:
        """Do nothing."""


class TorchSpline(FusedSplineTransform):
    """The spline of a flow that is trained, by operations of torch alone."""

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """As `FusedSplineTransform.forward`."""
        arguments = x, self.params_by_value(params), self.scale
        pair: tuple[Tensor, Tensor] = _SplineFunction.apply(*arguments)  # type: ignore[no-untyped-call]
        return pair


def engine_side(
    config: FlowConfig,
    images: Tensor,
    z: Tensor,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    asked_as: type[Inference] = Inference,
) -> Side:
    """The engine, trained by its `TrainState` and asked as `build_flow` prepares it."""
    flow = Flow(config).to(images.device)
    flow.initialize(images)
    state = TrainState(flow, TrainConfig(steps=1, precision=precision))
    if asked_as is Uncompiled:
        for module in flow.modules():
            if isinstance(module, Coupling) and isinstance(module.law, FusedSplineTransform):
                module.law = TorchSpline.of(module.law)

    def train() -> None:
        state.flow.zero_grad(set_to_none=True)
        (-flow(images).mean() / config.dimensions).backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(flow.parameters(), 1.0)
        state.update(1e-3)

    for _ in range(WARM_UP_STEPS):
        train()
    asked = asked_as(copy.deepcopy(flow))
    asked.compile()
    work = {
        TRAINING: train,
        LIKELIHOOD: torch.no_grad()(lambda: asked.log_prob(images)),
        DECODE: torch.no_grad()(lambda: asked.decode(z)),
    }
    kind = "" if asked_as is Inference else f", {asked_as.__name__.lower()}"
    name = f"engine, {settled_precision(precision, images.device)}{kind}"
    return Side(name, work, sum(parameter.numel() for parameter in flow.parameters()))


def plain_side(config: FlowConfig, images: Tensor, z: Tensor) -> Side:
    """The flow as it is built, its checkerboards masked as published, with torch's defaults."""
    config = msgspec.structs.replace(config, checkerboard="masked")
    flow = Flow(config).to(images.device).train()
    flow.initialize(images)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)

    def train() -> None:
        optimizer.zero_grad()
        (-flow(images).mean() / config.dimensions).backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(flow.parameters(), 1.0)
        optimizer.step()

    for _ in range(WARM_UP_STEPS):
        train()
    asked = copy.deepcopy(flow).eval()
    work = {
        TRAINING: train,
        LIKELIHOOD: torch.no_grad()(lambda: asked(images)),
        DECODE: torch.no_grad()(lambda: asked.decode(z)),
    }
    return Side(PLAIN, work, sum(parameter.numel() for parameter in flow.parameters()), tensor_float=True)


def compare(engine: Side, plain: Side, rounds: int, batch: int, device: torch.device) -> list[Comparison]:
    """Time both sides, a round of each piece of work after the other."""
    timings: dict[str, list[tuple[Timing, Timing]]] = {what: [] for what in TARGETS}
    for number in range(rounds + 1):
        for what, pairs in timings.items():
            calls = 5 if what == DECODE else 1
            sides = (engine, plain) if number % 2 == 0 else (plain, engine)
            by_side = {id(side): _timed(side, what, calls, device) for side in sides}
            if number:  # the first round warms caches up
                pairs.append((by_side[id(engine)], by_side[id(plain)]))
    return [_compared(what, pairs, 1 if what == DECODE else batch) for what, pairs in timings.items()]


def _timed(side: Side, what: str, calls: int, device: torch.device) -> Timing:
    """Of one call, as the mean of `calls` in a row."""
    work = side.work[what]
    torch.backends.cudnn.allow_tf32 = side.tensor_float
    _synchronize(device)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        work()
    _synchronize(device)
    return Timing((time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _compared(what: str, pairs: list[tuple[Timing, Timing]], images: int) -> Comparison:
    def median(side: int) -> Timing:
        return Timing(*(statistics.median(getattr(pair[side], clock) for pair in pairs) for clock in ("wall", "cpu")))

    wall = sorted(plain.wall / engine.wall for engine, plain in pairs)
    cpu = [plain.cpu / engine.cpu for engine, plain in pairs]
    quartiles = wall[len(wall) // 4], wall[(3 * len(wall)) // 4]
    return Comparison(
        what, images, median(0), median(1), statistics.median(wall), quartiles, statistics.median(cpu), TARGETS[what]
    )


def _config(preset: str, shape: tuple[int, int, int], changes: str) -> FlowConfig:
    config: dict[str, Any] = msgspec.to_builtins(preset_config(preset, shape))
    return msgspec.convert(config | json.loads(changes), FlowConfig)


def _machine(device: str) -> str:
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name()}, {versions}"
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    threads = torch.get_num_threads()
    load = f", load {os.getloadavg()[0]:.1f} when done" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores, {threads} thread{'s' if threads > 1 else ''} for both, {versions}{load}"


def _print_table(found: list[Comparison], engine: str, plain: str, *, with_targets: bool) -> None:
    print(f"| | {engine} | {plain} | ratio (quartiles) | ratio of processor time |{' target |' * with_targets}")
    print(f"|---|---:|---:|---:|---:|{'---:|' * with_targets}")
    for one in found:
        low, high = one.wall_ratio_quartiles
        ratio = f"{one.wall_ratio:.2f} ({low:.2f} to {high:.2f})"
        speeds = [_speed(one, timing.wall) for timing in (one.engine, one.plain)]
        target = f" {one.target:g} |" * with_targets
        print(f"| {one.what} | {' | '.join(speeds)} | {ratio} | {one.cpu_ratio:.2f} |{target}")


def _speed(one: Comparison, seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if one.what == DECODE else f"{one.images / seconds:.0f} images/s"


if __name__ == "__main__":
    main()
