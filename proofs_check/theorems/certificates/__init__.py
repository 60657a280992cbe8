"""Certificates with explicit constants, derived and proved here."""
