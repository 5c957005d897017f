"""Names of axes, for command line and window; imports nothing that takes long."""

from typing import Literal

Axis = Literal["steps", "epochs", "seconds"]
"""`seconds` are seconds of training, over all sessions of a run, without its pauses."""
