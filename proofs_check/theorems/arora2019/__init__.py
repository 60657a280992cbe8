"""Arora, Du, Hu, Li and Wang 2019: the residual mode by mode."""
