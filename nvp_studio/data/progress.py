"""How the loading of data tells how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total (0 while unknown) and a word; what it raises ends the loading."""
