"""Typed Cython over C kernels: the floors below the public functions."""
