"""Descriptions of the fields of a configuration, from which the command line makes its options."""

import msgspec

DATA = "Data and architecture"
BUDGET = "Budget (give one)"
OPTIMIZATION = "Optimization"
PLACE = "Where"


class Described(msgspec.Struct, frozen=True):
    """The description of a field."""

    help: str
    group: str
    """Heading under which the option is listed."""
    flags: tuple[str, ...]
    """Names of the option; empty for the field's own with hyphens."""


def described(help: str, group: str = OPTIMIZATION, *flags: str) -> msgspec.Meta:
    """Describe a field, in its annotation."""
    return msgspec.Meta(description=help, extra={"described": Described(help, group, flags)})
