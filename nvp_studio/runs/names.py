"""The words by which the command line and the window ask for axes and sheets; nothing heavy is imported for them."""

from typing import Literal

Axis = Literal["steps", "epochs", "seconds"]
"""`seconds` are those of training, over all sessions of a run, without its pauses."""

Kind = Literal["samples", "reconstructions"]
KINDS: tuple[Kind, ...] = ("samples", "reconstructions")
