"""Options that earlier versions had: a stored configuration that uses one of them is refused by its name."""

_REMOVED = {
    ("law", "mixture"): "mixture couplings",
    ("network", "attention"): "networks with self-attention",
    ("mixing", "orthogonal"): "orthogonal mixing of channels",
    ("mixing", "permutation"): "mixing by fixed permutations",
    ("clamp", "arctan"): "the arctan clamp",
}
"""(name, value) in a stored configuration -> what that was."""


class RemovedOptionError(ValueError):
    """A stored configuration uses an option that this version no longer has; the message is one line."""


def refuse_removed_options(fields: object) -> None:
    """Raise `RemovedOptionError` when a decoded configuration, or a table within it, uses a removed option."""
    if not isinstance(fields, dict):
        return
    for name, value in fields.items():
        refuse_removed_options(value)
        what = _REMOVED.get((name, value)) if isinstance(value, str) else None
        if what:
            raise RemovedOptionError(f"it was made with {what} ({name}={value}), which this version no longer has")
