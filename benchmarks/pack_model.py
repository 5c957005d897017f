"""Make the best model of a finished run one of those that ship with the program.

    python -m benchmarks.pack_model ~/runs/peeps peeps --images 16500
    python -m benchmarks.pack_model ~/runs/fashion-mnist fashion-mnist --images 10000
    python -m benchmarks.pack_model --references                # of the models that are there, which takes minutes

A model's reference, which verdicts compare with, belongs to its weights, and so is made anew with them.

The directions are computed anew from the finished weights, with more latents than a run takes. It prints what the
model's card in `docs/models.md` says.
"""

import argparse
import json
from pathlib import Path

from msgspec.structs import replace

from nvp_studio.checkpoints import Checkpoint, build_flow, read_checkpoint, write_checkpoint
from nvp_studio.data.catalogue import load_data
from nvp_studio.explore.model import open_model
from nvp_studio.resources import INCLUDED_MODELS
from nvp_studio.scores.reference_data import own_reference
from nvp_studio.scores.reference_file import write_reference
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


def pack_reference(name: str) -> None:
    """Write `resources/models/NAME.references/training.reference` for the weights that are there."""
    model = open_model(name)
    model.flow.compile()
    reference = own_reference(model.flow, model.info, model.digest)
    folder = ROOT / "resources" / "models" / f"{name}.references"
    folder.mkdir(exist_ok=True)
    write_reference(folder / "training.reference", reference)
    print(f"{name}: reference of {reference.images} images")


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
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("name", nargs="?", choices=INCLUDED_MODELS)
    parser.add_argument(
        "--references", action="store_true", help="only make references: of one model, given by its name, or of all"
    )
    parser.add_argument("--images", type=int, default=10_000, help="training images to take directions from")
    arguments = parser.parse_args()
    if arguments.references:
        for name in [str(arguments.run)] if arguments.run else INCLUDED_MODELS:
            pack_reference(name)
        return
    if arguments.name is None:
        parser.error("give a run and the name of the model")
    pack(arguments.run, arguments.name, arguments.images)
    pack_reference(arguments.name)
    print(card(arguments.run))


if __name__ == "__main__":
    main()
