"""The table of scores in a file, from one start of the window to the next."""

from pathlib import Path

import msgspec

from nvp_studio.files import write_whole
from nvp_studio.score_row import ScoreRow
from nvp_studio.state.score_options import ScoreOptions
from nvp_studio.worker.messages import ModelInfo
from nvp_studio.worker.score_messages import ReferenceInfo

MAX_ROWS = 20_000
"""Of a longer table only so many rows are kept: reading the file must not delay the start."""


class StoredScores(msgspec.Struct, frozen=True, kw_only=True):
    """A table with the model that it is of."""

    model: ModelInfo
    asked: tuple[str, ...]
    """The files and folders that were to be scored."""
    unfinished: tuple[str, ...] = ()
    """Those of `asked` that were not scored, or not completely."""
    reference: ReferenceInfo | None = None
    """What the verdicts compare with."""
    options: ScoreOptions = ScoreOptions()
    rows: tuple[ScoreRow, ...] = ()
    """With thumbnails for pixels."""


def write_scores(path: Path, scores: StoredScores) -> None:
    """Write the file; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.msgpack.encode(scores))


def read_scores(path: Path) -> StoredScores | None:
    """What the file holds; None where there is none that can be understood."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=StoredScores)
    except (OSError, ValueError):  # that of msgspec is a `ValueError`
        return None
