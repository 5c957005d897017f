"""The callback by which loading data reports its progress."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with the count done, the total (0 while unknown) and a description; an exception from it ends the loading."""
