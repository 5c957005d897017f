"""Runs as things: labels, trash, histories, curves, comparison, export and films of run folders."""
