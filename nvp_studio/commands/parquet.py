"""Whether Parquet files can be written."""

from importlib.util import find_spec

from nvp_studio.commands.console import CommandError


def check_parquet() -> None:
    """Raise `CommandError` where the package for it is missing."""
    if find_spec("pyarrow") is None:
        raise CommandError("Parquet needs pyarrow: pip install 'nvp-studio[parquet]'")
