"""Benchmarks and checks whose figures stand in the docs: `python -m bench`."""
