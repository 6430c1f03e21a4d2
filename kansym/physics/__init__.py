"""Differential equations: solved by a KAN (`solve`), discovered from data (`discover`)."""
