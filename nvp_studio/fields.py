"""Descriptions of the fields of a configuration, from which the command line makes its options."""

from typing import NamedTuple

DATA = "Data and architecture"
BUDGET = "Budget (give one)"
OPTIMIZATION = "Optimization"
PLACE = "Where"


class Described(NamedTuple):
    """The description of a field, in its annotation."""

    help: str
    group: str = OPTIMIZATION
    """Heading under which the option is listed."""
    flags: str = ""
    """Name of the option; empty for the field's own with hyphens."""
