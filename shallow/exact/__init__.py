"""The literal formulas, on any array namespace: the oracle for everything fast, and the portable path."""
