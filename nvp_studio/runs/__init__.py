"""Runs as things: labels, trash, histories, curves, comparison, export and time-lapse of run folders."""
