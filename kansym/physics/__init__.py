"""Differential equations: solved by a network, found in data; what motion conserves and which Lagrangian drives it."""
