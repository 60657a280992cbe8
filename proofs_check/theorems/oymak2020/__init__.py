"""Oymak and Soltanolkotabi 2020: moderate over-parametrisation, first layer trained."""
