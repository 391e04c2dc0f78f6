"""Numba kernels: scalar rules and the array loops over them. No parsing, no policy."""
