"""Compiled loops over weights, and getting them ready. Some import numba."""
