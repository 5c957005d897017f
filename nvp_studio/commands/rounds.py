"""Image files worked on by all ranks in rounds: each takes its share, and the results come in the order given."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from nvp_studio.ranks import Ranks

Row = TypeVar("Row", bound=msgspec.Struct)


def in_rounds(
    ranks: "Ranks", paths: Iterable[Path], size: int, work: Callable[[Sequence[Path]], list[Row]], row: type[Row]
) -> Iterator[Row]:
    """What `work` makes of `paths`, of up to `size` of them at a time on each rank, on every rank in their order.

    The first rank's `paths` are those of all; when they end, all end.
    """
    decoder = msgspec.msgpack.Decoder(list[row])  # type: ignore[valid-type]
    remaining = iter(paths)
    while True:
        chunk = [os.fsencode(path) for path in islice(remaining, size * ranks.world)] if ranks.first else []
        names = msgspec.msgpack.decode(ranks.send(msgspec.msgpack.encode(chunk)), type=list[bytes])
        if not names:
            return
        low, high = ranks.share(0, len(names))
        found = work([Path(os.fsdecode(name)) for name in names[low:high]])
        for part in ranks.gather(msgspec.msgpack.encode(found)):
            yield from decoder.decode(part)
