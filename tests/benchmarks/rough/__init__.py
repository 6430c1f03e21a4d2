"""Seventy tables of laws that are in no published benchmark, as people bring them.

They have few rows, rounding, factorial grids, replicates, degrees, decibels, counts, near-copies of columns, constant
columns, numbers of rows and devices, and gross outliers. Laws, ranges and errors were written by someone who saw no
line of the search. The laws stand by field in `life`, `earth`, `engineering`, `physics` and `trade`.
"""
