"""Widgets that know no worker: they show what they are given and say what a person did."""
