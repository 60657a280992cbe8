"""Proofs about one instance: that the training of a given network converges, with radii and a decay."""
