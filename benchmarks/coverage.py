"""How often each interval of heldout.stats covers the truth: `python benchmarks/coverage.py`.

Every row takes a truth, draws (or enumerates) test sets from it, and asks how often the nominal
95 % interval holds it. `--write docs/coverage.md` writes the page, `--draws` sets the number of
simulated test sets for the cheap rows (the dear ones take a fixed share of it). Seeded: the same
numbers each time. `coverage_of` has a file for each part of `heldout.stats`. Limit: random numbers
and the fits of resampled lines; a few minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from coverage_of import (
    cluster,
    corruptions,
    difference,
    flips,
    line,
    paired,
    proportion,
    rank,
    similarity,
)
from coverage_of.page import render

PARTS = (proportion, paired, difference, cluster, rank, line, similarity, corruptions, flips)
SECTIONS = [section for part in PARTS for section in part.SECTIONS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20_000, help="simulated test sets a row")
    parser.add_argument("--write", type=Path, help="the Markdown page to write")
    options = parser.parse_args()
    tables = []
    for section in SECTIONS:
        started = time.perf_counter()
        rows = list(section.rows(options.draws))
        tables.append((section, rows))
        took = time.perf_counter() - started
        print(f"{section.title}: {len(rows)} rows, {took:.1f} s", flush=True)
    page = render(tables, options.draws)
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    else:
        print(page)


if __name__ == "__main__":
    main()
