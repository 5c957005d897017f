"""`nvp-studio info`: what a checkpoint or a run folder holds."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from nvp_studio.commands.console import (
    MODEL_HELP,
    CommandError,
    JsonOption,
    bits,
    find_model,
    print_result,
)
from nvp_studio.parent import Parent
from nvp_studio.text import duration, shape_text


def info(
    model: Annotated[str, typer.Argument(metavar="[MODEL|RUN]", help=MODEL_HELP)] = "",
    json: JsonOption = False,
) -> None:
    """Show what is in a checkpoint (which is verified), and the state of its run.

    **Examples**

    `nvp-studio info`

    `nvp-studio info runs/photos --json`
    """
    model = find_model(model)
    facts = {"run": _run_facts(Path(model)), **_checkpoint_facts(model)}
    run, about, config = facts["run"], facts["info"], facts["config"]
    data, shares = about["data"]["title"], facts["direction_shares"]
    print_result(
        facts,
        json,
        [
            ("run", run and run["folder"]),
            ("state", run and f"{run['state']} {run['reason']}".strip()),
            ("checkpoint", facts["path"]),
            ("digest", facts["digest"]),
            ("name", about["name"]),
            ("begun from", _parent_text(about["parent"])),
            ("trained on", f"{data}, {about['images']:,} images seen in {duration(about['seconds'])}"),
            ("step", f"{about['step']} (epoch {about['epoch']:.2f}, seed {about['seed']})"),
            ("images", shape_text(*config["image_shape"])),
            ("preset", about["preset"]),
            ("parameters", f"{facts['parameters']:,}"),
            ("scales", "  ".join("x".join(map(str, shape)) for shape in facts["latent_shapes"])),
            ("validation", bits(about["validation"])),
            ("test", bits(about["test"])),
            ("directions", f"{len(shares)} principal ones with {sum(shares):.0%} of the variance"),
            ("named directions", ", ".join(facts["direction_names"]) or None),
            ("reference", f"{facts['reference_images']} scores"),
            ("can resume", "yes" if facts["can_resume"] else "no, it holds what exploring needs"),
        ],
    )


def _parent_text(parent: dict[str, Any] | None) -> str | None:
    return None if parent is None else msgspec.convert(parent, Parent).text


def _run_facts(path: Path) -> dict[str, Any] | None:
    """The run's summary when `path` is a run folder."""
    if not (path / "run.json").is_file():
        return None
    from nvp_studio.training.runs import open_run

    summary: dict[str, Any] = msgspec.to_builtins(open_run(path))
    return summary


def _checkpoint_facts(model: str) -> dict[str, Any]:
    from nvp_studio.checkpoints import build_flow, find_checkpoint, read_checkpoint

    path = find_checkpoint(model)
    if not path.exists():
        raise CommandError(f"{path} does not exist")
    checkpoint = read_checkpoint(path)
    directions, reference = checkpoint.group("directions"), checkpoint.group("reference")
    names = checkpoint.info.data.contrasts if directions else ()
    return {
        "path": str(path),
        "digest": checkpoint.digest,
        "bytes": path.stat().st_size,
        "info": msgspec.to_builtins(checkpoint.info),
        "config": msgspec.to_builtins(checkpoint.config),
        "parameters": sum(tensor.numel() for tensor in build_flow(checkpoint).flow.parameters()),
        "latent_shapes": [scale.shape for scale in checkpoint.config.latent_scales],
        "direction_shares": directions["shares"].tolist()[: len(directions["shares"]) - len(names)]
        if directions
        else [],
        "direction_names": names,
        "reference_images": len(reference["bits_per_dim"]) if reference else 0,
        "can_resume": bool(checkpoint.resume),
    }
