"""Commands that a launcher such as torchrun started as several processes, called ranks.

They share the images, rank 0 prints the results, and an error on one rank ends all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from threading import Timer
from typing import TYPE_CHECKING, TypeVar

import msgspec
import typer

from nvp_studio.commands.console import CommandError, find_model, say

if TYPE_CHECKING:
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks

Item = TypeVar("Item", bytes, int)
Row = TypeVar("Row", bound=msgspec.Struct)
Made = TypeVar("Made")
_SLOW_SECONDS = 3.0
"""Compiling that takes longer is announced; when it was done before on a machine it takes less."""


@contextmanager
def command_ranks() -> Iterator["Ranks"]:
    """The ranks of this launch, or this process alone; of several errors the first is printed, by its rank."""
    from nvp_studio.ranks import RankLostError, launched_ranks
    from nvp_studio.training.errors import failure_line

    with ExitStack() as stack:
        try:
            ranks = stack.enter_context(launched_ranks())
        except RankLostError as error:
            raise CommandError(str(error)) from error
        try:
            yield ranks
        except typer.Exit:
            raise
        except Exception as error:
            if ranks.world == 1:
                raise
            reason = failure_line(error)
            if not ranks.first and not isinstance(error, RankLostError):
                reason = f"process {ranks.rank} of {ranks.world}: {reason}"
            if not ranks.claim_failure(reason):
                raise typer.Exit(1) from error
            if ranks.first and not isinstance(error, RankLostError):
                raise
            raise CommandError(reason) from error


def on_first(ranks: "Ranks", work: Callable[[], Made]) -> Made | None:
    """What rank 0 makes alone, and None on the others; where it fails, its reason ends them too."""
    from nvp_studio.ranks import RankLostError
    from nvp_studio.training.errors import failure_line

    made = None
    if ranks.first:
        try:
            made = work()
        except Exception as error:
            ranks.broadcast_bytes(failure_line(error).encode("utf-8", "backslashreplace"))
            raise
    reason = ranks.broadcast_bytes(b"")
    if reason:
        raise RankLostError(reason.decode())
    return made


def open_on_rank(model: str, device: str, ranks: "Ranks | None" = None) -> "OpenedModel":
    """Open the model that a command names on the device of this rank, or of this process alone.

    Sets torch's number of threads as a run does. On the CPU the model is compiled, so that scores are those that the
    window shows, to the last digit.
    """
    import torch

    from nvp_studio.explore.model import open_model
    from nvp_studio.ranks import ALONE
    from nvp_studio.training.distributed import rank_device, rank_threads

    ranks = ranks or ALONE
    torch.set_num_threads(rank_threads(None, ranks))
    opened = open_model(find_model(model), rank_device(device, ranks))
    notice = Timer(_SLOW_SECONDS, say, ["compiling the model for this processor, which is done once"])
    notice.daemon = True
    notice.start()
    try:
        opened.flow.compile()
    finally:
        notice.cancel()
    return opened


def map_on_ranks(
    ranks: "Ranks", items: Iterable[Item], size: int, work: Callable[[Sequence[Item]], list[Row]], row: type[Row]
) -> Iterator[Row]:
    """Yield the rows that `work` makes of `items`, in the order of the items, on every rank.

    Each rank gets up to `size` items at a time. The items are those of rank 0; when they end, all ranks end.
    """
    decoder = msgspec.msgpack.Decoder(list[row])  # type: ignore[valid-type]
    remaining = iter(items)
    while True:
        chunk = list(islice(remaining, size * ranks.world)) if ranks.first else []
        taken = msgspec.msgpack.decode(ranks.broadcast_bytes(msgspec.msgpack.encode(chunk)))
        if not taken:
            return
        low, high = ranks.own_range(0, len(taken))
        for part in ranks.all_gather(msgspec.msgpack.encode(work(taken[low:high]))):
            yield from decoder.decode(part)
