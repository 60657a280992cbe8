"""A run as data: names, numbers and defaults in one tree, and the objects it builds."""
