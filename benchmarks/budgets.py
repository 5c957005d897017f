"""What a budget buys: trains flows for several numbers of minutes and tells their bits/dim.

    python -m benchmarks.budgets --flows studio quick paper glow --minutes 1 5 20 --folder budgets
    python -m benchmarks.budgets --data cifar-10 --minutes 2 8 30 --folder cifar-budgets
    python -m benchmarks.budgets --folder budgets --table

Every run is an ordinary run folder, trained by the program's own loop on the CPU with one thread, one after another;
those that are finished are not trained again, those that were stopped go on. `glow` is Glow's layout (Kingma and
Dhariwal 2018) made of the same parts: affine couplings of channels alone, each after ActNorm and a 1x1 convolution;
alpha of the logit, equalized levels and optimizer are those of `studio`.
"""

import argparse
import platform
from datetime import date
from pathlib import Path
from typing import Any

from nvp_studio.data.catalogue import load_data
from nvp_studio.flow.config import FlowConfig, preset_config
from nvp_studio.training.config import TrainConfig, recommended
from nvp_studio.training.resume import resume_run
from nvp_studio.training.runs import RunRecord, read_record
from nvp_studio.training.start import start_run


def flow_of(name: str, shape: tuple[int, int, int]) -> FlowConfig:
    """The architecture called `name`, a preset or `glow`, for images of `shape` (C, H, W)."""
    if name != "glow":
        return preset_config(name, shape)
    studio = preset_config("studio", shape)
    return FlowConfig(
        image_shape=shape,
        scales=3,
        checkerboard_couplings=0,
        channel_couplings=10,
        final_couplings=6,
        final_mask="channel",
        mixing="conv1x1",
        blocks=1,
        width=32,
        doubling=False,
        logit_alpha=studio.logit_alpha,
        equalize=studio.equalize,
    )


def trained(name: str, minutes: float, arguments: argparse.Namespace) -> RunRecord:
    """The record of a finished run of this flow and budget."""
    run = arguments.folder / f"{name}-{minutes:g}"
    if not (run / "run.json").is_file():
        fields: dict[str, Any] = {**recommended(name), "data": arguments.data, "threads": arguments.threads}
        flow = flow_of(name, load_data(arguments.data).image_shape)
        config = TrainConfig(**fields, flow=flow, preset=name, minutes=minutes, device="cpu")
        start_run(config, arguments.folder, run.name)
    elif read_record(run).status.phase != "finished":
        resume_run(run)
    return read_record(run)


def table(records: list[RunRecord]) -> str:
    """The records as Markdown, by budget and score."""
    lines = [
        f"{platform.processor() or platform.machine()}, {date.today()}, one thread\n",
        "| minutes | flow | parameters | images | validation | test |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for record in sorted(records, key=lambda one: (one.config.minutes or 0, one.status.test or 99)):
        status = record.status
        lines.append(
            f"| {record.config.minutes:g} | {record.config.preset} | {record.parameters:,} | {status.images:,} "
            f"| {_told(status.validation)} | {_told(status.test)} |"
        )
    return "\n".join(lines)


def _told(score: float | None) -> str:
    return "-" if score is None else f"{score:.3f}"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", nargs="+", default=["studio"])
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 5.0, 20.0])
    parser.add_argument("--data", default="fashion-mnist", help="name in the catalogue, or path")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("budgets"))
    parser.add_argument("--table", action="store_true", help="only print the table of the finished runs")
    arguments = parser.parse_args()
    if not arguments.table:
        for minutes in arguments.minutes:
            for name in arguments.flows:
                status = trained(name, minutes, arguments).status
                print(f"{name}, {minutes:g} minutes: validation {status.validation}, test {status.test}", flush=True)
    records = [read_record(path.parent) for path in sorted(arguments.folder.glob("*/run.json"))]
    print(table([record for record in records if record.status.phase == "finished"]))


if __name__ == "__main__":
    main()
