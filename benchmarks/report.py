"""Reports over the testbed (338 × 213) and timm (1,557 × 8) tables: writing, size, in the browser.

    python benchmarks/report.py [.data]

The goals are 10 s to write, 10 MB, and 2 s until the explorer is usable. The limits: Vega's
runtime is 0.9 MB of every file and, bundled by vl-convert, about a second of every report; the
bootstraps of the analyses are most of the rest. In the browser, compiling that runtime and drawing
the marks. "Usable" is performance.now() when the first plot is on the screen, all controls live;
"complete" when every table is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from heldout.imports import formats
from heldout.imports.bundle import Choices, put
from heldout.report.page import write_report
from heldout.store.read import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from report.browser import LAPTOP, PHONE, browser, load, missing

SOURCES = (("imagenet-testbed", "imagenet-testbed"), ("timm", "timm-results"))
LOADS = 5


def in_browser(path: str) -> None:
    """Print the median time to usable and to complete, on a laptop and as a phone."""
    if why := missing():
        print(f"  in the browser: not measured ({why})")
        return
    for name, size, slower in (("laptop", LAPTOP, 1), ("phone, CPU 4 times slower", PHONE, 4)):
        with browser(size) as driver:
            driver.execute_cdp_cmd("Emulation.setCPUThrottlingRate", {"rate": slower})
            cold = load(driver, path)
            warm = sorted(load(driver, path) for _ in range(LOADS))[LOADS // 2]
        print(
            f"  {name}: usable after {cold[0] / 1000:.2f} s the first time,"
            f" {warm[0] / 1000:.2f} s after that; complete after {cold[1] / 1000:.2f} s"
            f" and {warm[1] / 1000:.2f} s (goal: usable within 2)"
        )


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else ".data")
    for name, folder in SOURCES:
        module = formats.load(name)
        root = module.recognise(data / folder)
        if root is None:
            print(f"{name}: not in {data}")
            continue
        with tempfile.TemporaryDirectory() as where:
            store = Store.create(f"{where}/store")
            choices = Choices(source=name)
            put(store, module.read(root, choices), choices)
            start = time.perf_counter()
            done = write_report(store, f"{where}/report.html")
            took = time.perf_counter() - start
            print(f"{name}: {took:.1f} s to write (goal: 10), {done.bytes / 1e6:.1f} MB (goal: 10)")
            in_browser(done.path)


if __name__ == "__main__":
    main()
