"""A command that a launcher started as several processes: one speaks for all, and an error of one ends all."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import typer

from nvp_studio.commands.console import CommandError, find_model

if TYPE_CHECKING:
    from nvp_studio.explore.model import OpenedModel
    from nvp_studio.ranks import Ranks


@contextmanager
def together() -> Iterator["Ranks"]:
    """The ranks of this launch, or this process alone. Of errors the first is said, by the rank that it happened to."""
    from nvp_studio.ranks import RankLostError, launched_ranks

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
            words = _words(error)
            if not ranks.first and not isinstance(error, RankLostError):
                words = f"process {ranks.rank} of {ranks.world}: {words}"
            if not ranks.claim_failure(words):
                raise typer.Exit(1) from error
            if ranks.first and not isinstance(error, RankLostError):
                raise
            raise CommandError(words) from error


def open_for(ranks: "Ranks", model: str, device: str) -> "OpenedModel":
    """The model that a command names, on the device of this rank."""
    from nvp_studio.explore.model import open_model
    from nvp_studio.training.distributed import rank_device

    return open_model(find_model(model), rank_device(device, ranks))


def _words(error: Exception) -> str:
    """The error in one line; the run it was in is told the same."""
    from nvp_studio.training.start import one_line

    return one_line(error)
