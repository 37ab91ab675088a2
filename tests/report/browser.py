"""Headless Chromium for the tests and the benchmark of the report."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip
LAPTOP, PHONE = (1366, 768), (390, 844)


def missing() -> str:
    """Why there is no browser here; empty when there is one."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "needs selenium (in the dependency group 'test')"
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        return "needs Chromium (Debian: apt install chromium chromium-driver)"
    if not shutil.which("chromedriver"):
        return "needs chromedriver (Debian: apt install chromium-driver)"
    return ""


@contextlib.contextmanager
def browser(size: tuple[int, int] = LAPTOP, dark: bool = False) -> Iterator[Any]:
    """A browser with a profile of its own; phones are emulated below 600 pixels."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
        for flag in (*FLAGS, f"--window-size={size[0]},{size[1]}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": size[0], "height": size[1], "deviceScaleFactor": 1,
                 "mobile": size[0] < 600},
            )  # fmt: skip
            look = "dark" if dark else "light"
            driver.execute_cdp_cmd(
                "Emulation.setEmulatedMedia",
                {"features": [{"name": "prefers-color-scheme", "value": look},
                              {"name": "prefers-reduced-motion", "value": "reduce"}]},
            )  # fmt: skip
            yield driver
        finally:
            driver.quit()


def load(driver: Any, path: str, fragment: str = "") -> tuple[int, int]:
    """Open a report; milliseconds until the explorer was usable and until all was there."""
    driver.get("about:blank")
    driver.get(f"file://{path}{fragment}")
    wait(driver, "return document.documentElement.dataset.complete")
    times = driver.execute_script(
        "const d = document.documentElement.dataset; return [d.ready, d.complete];"
    )
    return int(times[0]), int(times[1])


def wait(driver: Any, script: str, seconds: float = 30.0) -> Any:
    """The first true answer of a script in the page. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = driver.execute_script(script)
        if found:
            return found
        time.sleep(0.03)
    logs = [entry["message"] for entry in driver.get_log("browser")]
    raise TimeoutError(f"{script} was never true; the console says {logs}")
