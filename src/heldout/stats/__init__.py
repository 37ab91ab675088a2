"""Pure functions on arrays: intervals, tests, lines, ranks, agreement, power. No I/O, no tables.

Fractions are in [0, 1], intervals are (low, high) pairs of float64 arrays that broadcast over the
inputs, and the coverage of each interval is in docs/coverage.md (benchmarks/coverage.py makes it).
"""
