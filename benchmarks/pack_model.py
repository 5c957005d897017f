"""Make the best model of a finished run one of those that ship with the program.

    python -m benchmarks.pack_model ~/runs/peeps peeps --images 16500
    python -m benchmarks.pack_model ~/runs/fashion-mnist fashion-mnist --images 10000

The directions are computed anew from the finished weights, with more latents than a run takes. It prints what the
model's card in `docs/models.md` says.
"""

import argparse
import json
from pathlib import Path

from msgspec.structs import replace

from nvp_studio.checkpoints import Checkpoint, build_flow, read_checkpoint, write_checkpoint
from nvp_studio.data.catalogue import load_data
from nvp_studio.training.best import explorer_tensors
from nvp_studio.training.runs import read_record

ROOT = Path(__file__).parents[1]


def pack(run: Path, name: str, images: int) -> None:
    """Write `resources/models/NAME.safetensors`."""
    checkpoint = read_checkpoint(run / "checkpoints" / "best.safetensors")
    flow = build_flow(checkpoint)
    data = load_data(name)
    found = checkpoint.group("reference")["bits_per_dim"]
    weights = {f"average.{key}": tensor for key, tensor in checkpoint.group("average").items()}
    directions = explorer_tensors(flow, data, found, lambda: True, images, 3600.0)
    path = ROOT / "resources" / "models" / f"{name}.safetensors"
    info = replace(checkpoint.info, name=name)
    write_checkpoint(path, Checkpoint(checkpoint.config, info, weights | directions))


def card(run: Path) -> str:
    """What the run's record and metrics say, as lines of Markdown."""
    record = read_record(run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    scored = [line for line in lines if line.get("validation") is not None]
    status = record.status
    worst = max(max(line["inverse_error"], line["noise_inverse_error"]) for line in scored)
    rows = [
        f"seconds {status.seconds:,.0f}; images {status.images:,} in {status.step:,} steps ({status.epoch:.1f} epochs)",
        f"validation {status.validation:.3f}, test {status.test:.3f}",
        f"inverse error at most {worst:.1e} at any validation, noise images among them",
    ]
    shown = [scored[round(k * (len(scored) - 1) / 8)] for k in range(9)]
    rows += [f"| {line['seconds'] / 60:.1f} | {line['images']:,} | {line['validation']:.3f} |" for line in shown]
    return "\n".join(rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--images", type=int, default=10_000, help="training images to take directions from")
    arguments = parser.parse_args()
    pack(arguments.run, arguments.name, arguments.images)
    print(card(arguments.run))


if __name__ == "__main__":
    main()
