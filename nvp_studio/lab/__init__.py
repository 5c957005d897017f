"""Densities in one and two dimensions: the mathematics behind the page Lab."""
