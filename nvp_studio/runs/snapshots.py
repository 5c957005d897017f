"""The sheets that a run writes at each validation, from the same noise and the same real images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nvp_studio.training.events import SheetKind
from nvp_studio.training.runs import sheet_of


@dataclass(frozen=True)
class Snapshot:
    """The sheets of one validation; None where there is none of that kind."""

    step: int
    samples: Path | None = None
    reconstructions: Path | None = None

    def path(self, kind: SheetKind) -> Path | None:
        """The file of the sheet of this kind."""
        return self.samples if kind == "samples" else self.reconstructions


def snapshots(folder: Path) -> list[Snapshot]:
    """All snapshots of the run in `folder`, by step."""
    sheets: dict[int, dict[SheetKind, Path]] = {}
    try:
        paths = list((folder / "samples").glob("*.png"))
    except OSError:
        paths = []
    for path in paths:
        sheet = sheet_of(path.name)
        if sheet is not None and path.is_file():
            kind, step = sheet
            sheets.setdefault(step, {})[kind] = path
    return [Snapshot(step, **sheets[step]) for step in sorted(sheets)]


def nearest_snapshot(shots: Sequence[Snapshot], step: float) -> int:
    """Index of the snapshot that shows the run at `step`: the last one up to it, else the first; -1 without any."""
    return max((index for index, shot in enumerate(shots) if shot.step <= step), default=0 if shots else -1)
