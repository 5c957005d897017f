"""Widgets show the values they are given and emit signals; they know neither pages nor workers."""
