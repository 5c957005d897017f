"""Inspect: a picture at every layer of a flow."""
