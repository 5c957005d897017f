"""Lab: densities of points, trained before the eyes."""
