"""Walks through the program on a GPU that is not there, and reports what would go wrong or be slow on one.

    python -m benchmarks.fake_gpu --install /tmp/cuda-torch   # once: torch for CUDA, 3 GB to download, 5 GB on the disk
    python -m benchmarks.fake_gpu --torch /tmp/cuda-torch     # the walk, on tensors on "cuda"
    python -m benchmarks.fake_gpu                             # with the torch that is here, tensors on "meta"

Nothing is computed (`benchmarks.fake_device`), so it takes minutes on any Linux machine. It lists each tensor on the
wrong device, each place where the host waits for the device, and each result of a type that does not belong there;
it ends with status 1 if there are more waits than a path is allowed, or anything of the other two.

What "meta" leaves out is bfloat16, and what the program does on CUDA alone: pinned memory, Adam in one kernel, images
kept on the device. For "cuda", `--install` also compiles (`cc`) a library that takes the place of NVIDIA's driver and
says that there is one device: autograd asks for it. Which kernels exist, what they compute and how long they take, only
a GPU can say.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple
from unittest.mock import patch

import msgspec
import numpy as np
import torch
from torch import Tensor

import nvp_studio
from benchmarks.fake_device import FakeDevice, Record
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.flow.engine.inference import Inference
from nvp_studio.flow.flow import Flow
from nvp_studio.ranks import Ranks
from nvp_studio.training import batches as batches_module
from nvp_studio.training import best, checkpointer
from nvp_studio.training.augmentation import Augmentation
from nvp_studio.training.batches import Batches
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.distributed import micro_batch_ranges, share_batch_statistics, split_range
from nvp_studio.training.loop import Loop
from nvp_studio.training.resume import resume_run
from nvp_studio.training.start import start_run
from nvp_studio.training.step import train_step
from nvp_studio.training.train_state import TrainState
from nvp_studio.training.validation import Validator

STEP_WAITS = 1
"""Waits in a training step: the loss and the gradient norm are read together, because they decide whether the weights
change. In constant memory there is one more for each scale and micro-batch, whose recomputed input decides how its
gradients are computed."""
TORCH = "torch==2.11.*"
"""What is installed: not the release that is here, of which pip may take the build for the CPU again."""
FLOATS = (torch.float32,)
WITH_BFLOAT16 = (torch.float32, torch.bfloat16)
VALUES = (torch.float32, torch.float64)
"""Types in inference: float64 for values between networks, float32 for networks."""
DRIVER = """\
/* Takes the place of NVIDIA's driver and runtime as far as torch asks them before any kernel: one device, no work. */
int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaSetDevice(int device) { return 0; }
int cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -1; return 0; }
int cudaStreamIsCapturing(void *stream, int *status) { *status = 0; return 0; }
int cudaStreamGetPriority(void *stream, int *priority) { *priority = 0; return 0; }
int cudaStreamWaitEvent(void *stream, void *event, unsigned flags) { return 0; }
int cudaEventCreateWithFlags(void **event, unsigned flags) { *event = event; return 0; }
int cudaEventRecordWithFlags(void *event, void *stream, unsigned flags) { return 0; }
int cudaEventQuery(void *event) { return 0; }
int cudaEventDestroy(void *event) { return 0; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }
"""


class Walked(NamedTuple):
    """One path: what was recorded, and how many waits it may have (None: any)."""

    record: Record
    most_waits: int | None = None

    @property
    def faults(self) -> list[str]:
        """What is wrong, one line each."""
        record, most = self.record, self.most_waits
        found = [f"on two devices: {what}, {where} ({count} times)" for (what, where), count in record.mixed.items()]
        found += [f"type: {what}, {where} ({count} times)" for (what, where), count in record.slips.items()]
        if most is not None and record.waits.total() > most:
            found.append(f"{record.waits.total()} waits instead of {most}")
        return found


class TwoRanks(Ranks):
    """Two ranks of which the other has nothing to add: walks what several ranks do, without a second process."""

    world = 2

    def _collective(self, act: Any) -> None:
        pass


def walk_flow(
    fake: FakeDevice, name: str, config: FlowConfig, preset: str = "studio", *, bfloat16: bool = True
) -> Iterator[Walked]:
    """Build, initialize, train, save and restore, and answer questions with a flow of `config`."""
    with fake.phase(f"{name}: build") as record:
        flow = Flow(config).to(fake.device)
    yield Walked(record)
    x = torch.rand(8, *config.image_shape, device=fake.device)
    with fake.phase(f"{name}: initialize", FLOATS) as record:
        flow.initialize(x)
    yield Walked(record)
    yield from walk_steps(fake, name, flow, preset, "float32", "fast")
    if config.network_norm == "none" and config.normalization != "batch":
        yield from walk_steps(fake, name, flow, preset, "float32", "constant")
        fake.truth = False  # no input is recomputed exactly enough
        yield from walk_steps(fake, f"{name}, inexact", flow, preset, "float32", "constant")
        fake.truth = True
        yield from walk_steps(fake, name, flow, preset, "float32", "fast", accumulate=2)
    if bfloat16:  # autocast knows no "meta"
        yield from walk_steps(fake, name, flow, preset, "bfloat16", "fast")
        yield from walk_steps(fake, name, flow, preset, "bfloat16", "constant")
    yield from walk_steps(fake, f"{name}, 2 ranks", flow, preset, "float32", "fast", ranks=TwoRanks())
    yield from walk_inference(fake, name, flow)


def walk_steps(
    fake: FakeDevice,
    name: str,
    flow: Flow,
    preset: str,
    precision: Literal["float32", "bfloat16"],
    memory: Literal["fast", "constant"],
    *,
    accumulate: int = 1,
    ranks: Ranks | None = None,
) -> Iterator[Walked]:
    """The second of two training steps, with all that is around it in a run; and a state saved and restored."""
    settings = recommended(preset) | {"batch_size": 8, "accumulate": accumulate}
    config = TrainConfig(steps=4, precision=precision, memory=memory, horizontal_flip=True, random_shift=2, **settings)
    channels, height, width = flow.config.image_shape
    images = np.zeros((32, height, width, channels), np.uint8)
    ranks = ranks or Ranks()
    with patch.object(batches_module, "_gains_by_a_thread", lambda device: False):
        batches = Batches(images, 8, 0, augmentation=Augmentation.of(config), device=fake.device)
    state = TrainState(flow, config)
    share_batch_statistics(flow, ranks)
    ranges = micro_batch_ranges(*ranks.own_range(0, 8), accumulate)
    noise = split_range(0, batches.noise_count if config.noise_share else 0, len(ranges))
    for number in range(2):
        name_of_step = f"{name}: step, {precision}, {memory} memory" + f", {accumulate} micro-batches" * (
            accumulate > 1
        )
        with fake.phase(name_of_step, WITH_BFLOAT16 if precision == "bfloat16" else FLOATS) as record:
            train_step(state, batches.micro_batches(number, 0, ranges, noise), config, 1e-3, ranks=ranks)
    _check_state(fake, state, record)
    yield Walked(record, STEP_WAITS + (len(flow.body.scales) * accumulate if memory == "constant" else 0))
    with fake.phase(f"{name}: copy of the state, and return to it", FLOATS) as record:
        state.restore(state.capture())
    yield Walked(record, 0)
    _check_state(fake, state, record)


def walk_inference(fake: FakeDevice, name: str, flow: Flow) -> Iterator[Walked]:
    """Every question to a flow."""
    with fake.phase(f"{name}: prepare for inference") as record:
        inference = Inference(flow)
    yield Walked(record)
    count, dimensions = 4, flow.config.dimensions
    x = torch.rand(count, *flow.config.image_shape, device=fake.device)
    z = torch.randn(count, dimensions, device=fake.device, dtype=inference.latent_dtype)
    images = np.zeros((count, *flow.config.image_shape[1:], flow.config.image_shape[0]), np.uint8)

    def graphed() -> Tensor:
        return inference.preprocessing.inverse(inference.body.inverse(z))

    questions = {
        "encode": (lambda: inference.encode(x), None),
        "decode": (lambda: inference.decode(z), 1),  # NaN in z is refused
        "decode, as recorded in a CUDA graph": (graphed, 0),
        "decode with log-determinant": (lambda: inference.decode_with_log_det(z), 1),
        "score": (lambda: inference.bits_per_dim(images), None),
        "sample": (lambda: inference.sample(count), None),
    }
    for what, (ask, most) in questions.items():
        with torch.no_grad():
            ask()  # what is made once
            with fake.phase(f"{name}: {what}", VALUES) as record:
                ask()
        yield Walked(record, most)


def _check_state(fake: FakeDevice, state: TrainState, record: Record) -> None:
    """Parameters, gradients, average and optimizers are on the device in float32, except what says otherwise."""
    tensors = {f"gradient {name}": p.grad for name, p in state.flow.named_parameters() if p.grad is not None}
    tensors |= dict(state.capture().tensors)
    for name, tensor in tensors.items():
        if not fake.holds(tensor):
            record.mixed["not on the device", name] += 1
        elif tensor.is_floating_point() and tensor.dtype != torch.float32:
            record.slips[str(tensor.dtype), name] += 1


def walk_run(fake: FakeDevice, name: str, config: FlowConfig) -> Iterator[Walked]:
    """A run from its start to its end with validations, files and sheets, then resumed; by phase."""
    channels, height, width = config.image_shape
    images = np.random.default_rng(0).integers(0, 256, (120, height, width, channels), np.uint8)
    steps: list[Record] = []
    validations: list[Record] = []
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "images.npz")
        np.savez(data, x_train=images[:80], x_val=images[80:100], x_test=images[100:])
        stack.enter_context(patch.object(batches_module, "_gains_by_a_thread", lambda device: False))
        for module in (best, checkpointer):  # an analysis on the CPU, by values
            stack.enter_context(patch.object(module, "explorer_tensors", lambda *arguments, **settings: {}))
        for method, answer in _OF_ONE_RANK.items():
            stack.enter_context(patch.object(Ranks, method, answer))
        stack.enter_context(_recorded(fake, Loop, "_take_step", f"{name}: step of a run", FLOATS, steps))
        stack.enter_context(_recorded(fake, Validator, "validate", f"{name}: validation", VALUES, validations))
        settings = TrainConfig(
            data=str(data), flow=config, steps=3, validation_every=2, checkpoint_steps=2, batch_size=8, accumulate=2,
            horizontal_flip=True, random_shift=1, scoring_share=1.0, precision="float32", device=str(fake.device),
        )  # fmt: skip
        with fake.phase(f"{name}: a run, between its steps") as record:
            run = start_run(settings, folder, "run")
        yield Walked(record)
        with fake.phase(f"{name}: a resumed run, between its steps") as record:
            resume_run(run, steps=5)
        yield Walked(record)
    yield Walked(steps[-1], STEP_WAITS)
    yield Walked(validations[-1])


_OF_ONE_RANK = {
    "broadcast": lambda ranks, *values: tuple(map(float, values)),
    "all_reduce_max": lambda ranks, *values: tuple(map(float, values)),
    "broadcast_bytes": lambda ranks, data, source=0: data,
}
"""What a process that is alone gets from its collectives, which pass through tensors that hold no values here."""


@contextmanager
def _recorded(
    fake: FakeDevice, owner: type, method: str, name: str, types: tuple[torch.dtype, ...], records: list[Record]
) -> Iterator[None]:
    """Each call of a method as a phase of its own."""
    original = getattr(owner, method)

    def call(*arguments: Any, **settings: Any) -> Any:
        with fake.phase(name, types) as record:
            records.append(record)
            return original(*arguments, **settings)

    with patch.object(owner, method, call):
        yield


def walk(kind: str) -> list[Walked]:
    """All paths, on a device of `kind`."""
    with FakeDevice(kind) as fake:
        found = list(walk_run(fake, "studio", shallow("studio", (1, 8, 8))))
        for preset in ("studio", "pyramid", "large", "paper"):
            config = shallow(preset, (3, 16, 16))
            found += walk_flow(fake, preset, config, preset, bfloat16=kind == "cuda" and preset != "paper")
        return found


def shallow(preset: str, image_shape: tuple[int, int, int]) -> FlowConfig:
    """The preset with two scales and one of each kind of layer: a fake operation takes half a millisecond."""
    config = preset_config(preset, image_shape)
    if config.law == "levels":  # whose couplings follow from the scales
        return msgspec.structs.replace(config, scales=2, blocks=1)
    return msgspec.structs.replace(
        config, scales=2, checkerboard_couplings=1, channel_couplings=1, final_couplings=1, blocks=1
    )


def report(found: list[Walked]) -> str:
    """A Markdown table of the paths, then where the host waits, then the faults."""
    lines = [
        "| path | operations | results in float32 / float64 / bfloat16 | waits | allowed |",
        "|---|---:|---:|---:|---:|",
    ]
    for record, most in found:
        types = " / ".join(f"{record.types[dtype]:,}" for dtype in (torch.float32, torch.float64, torch.bfloat16))
        allowed = "any" if most is None else str(most)
        lines.append(f"| {record.name} | {record.operations:,} | {types} | {record.waits.total()} | {allowed} |")
    waits: Counter[tuple[str, str]] = Counter()
    for record, _ in found:
        waits.update(record.waits)
    lines += ["", "Where the host waits, over all paths:", ""]
    lines += [
        f"- {where}: {what}, {count} times" for (what, where), count in sorted(waits.items(), key=lambda one: one[0][1])
    ]
    faults = [f"- {one.record.name}: {fault}" for one in found for fault in one.faults]
    return "\n".join([*lines, "", "Faults:" if faults else "No faults.", *faults])


def install(folder: Path) -> None:
    """Install torch for CUDA into `folder`, and compile what takes the place of the driver."""
    if not sys.platform.startswith("linux"):
        raise SystemExit("torch for CUDA is installed on Linux alone")
    print(f"installing torch for CUDA into {folder}: about 3 GB to download, 5 GB on the disk", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--target", str(folder), TORCH]
    subprocess.run(command, check=True)
    _compile_driver(folder)


def _compile_driver(folder: Path) -> Path:
    library = folder / "fake-driver" / "libcuda.so.1"
    library.parent.mkdir(exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-w", "-x", "c", "-", "-o", str(library)]
    subprocess.run(command, input=DRIVER, text=True, check=True)
    return library


def run_with(folder: Path) -> int:
    """Run this module again with the torch of `folder`."""
    library = folder / "fake-driver" / "libcuda.so.1"
    if not library.exists():
        _compile_driver(folder)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", ""))),
        "LD_LIBRARY_PATH": os.pathsep.join((str(library.parent), os.environ.get("LD_LIBRARY_PATH", ""))),
        "LD_PRELOAD": str(library),
    }
    return subprocess.run([sys.executable, "-m", "benchmarks.fake_gpu", "--device", "cuda"], env=environment).returncode


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", type=Path, metavar="FOLDER", help="install torch for CUDA there, then walk")
    parser.add_argument("--torch", type=Path, metavar="FOLDER", help="walk with the torch that was installed there")
    parser.add_argument("--device", choices=("meta", "cuda"), default="meta", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.install:
        install(options.install.absolute())
    if folder := options.install or options.torch:
        sys.exit(run_with(folder.absolute()))
    found = walk(options.device)
    print(f'torch {torch.__version__}, tensors on "{options.device}", nvp-studio {nvp_studio.__version__}\n')
    print(report(found))
    sys.exit(any(one.faults for one in found))


if __name__ == "__main__":
    main()
