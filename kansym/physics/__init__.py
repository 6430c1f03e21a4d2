"""Differential equations: solved by a KAN, discovered from data."""
