"""Loops that numba compiles for the processor; `engine.compiled` makes layers of them."""
