"""The last messages in a file, from one start of the window to the next."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from nvp_studio.files import read_regular, write_whole

MAX_STORED = 50
MAX_TEXT = 4000
"""Characters of a stored message."""
_MAX_BYTES = 2_000_000


class StoredMessage(msgspec.Struct, frozen=True):
    """A message without what it offered, which makes no sense after its window was closed."""

    level: Literal["info", "success", "warning", "error"]
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    when: Annotated[datetime, msgspec.Meta(tz=False)]
    """In local time."""
    times: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] = 1
    """How often it came in succession."""


def write_messages(path: Path, messages: Sequence[StoredMessage]) -> None:
    """Write the last `MAX_STORED` messages; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, msgspec.json.encode(messages[-MAX_STORED:]))


def read_messages(path: Path) -> list[StoredMessage]:
    """What the file holds, oldest first; none where there is no file or it cannot be understood."""
    try:
        return msgspec.json.decode(read_regular(path, _MAX_BYTES), type=list[StoredMessage])[-MAX_STORED:]
    except (OSError, ValueError, RecursionError):  # that of msgspec is a `ValueError`
        return []
