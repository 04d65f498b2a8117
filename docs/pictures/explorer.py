"""Takes the guide's picture of the explorer: python docs/pictures/explorer.py (needs Chromium, the extras test-browser and glove)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SIZE = {"width": 1280, "height": 1110}


def main() -> None:
    """Start the explorer on GloVe, open "king" in a browser, and write explorer.png beside this file."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of an extra

    command = [sys.executable, "-m", "tokenspace", "explore", "glove-6b-50d", "--no-open", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, sync_playwright() as playwright:  # noqa: S603
        address = (process.stdout.readline() if process.stdout else "").strip()
        flags = ["--no-sandbox", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{address}#q=king")
        page.wait_for_selector(".small-map .over text", timeout=60_000)
        page.wait_for_timeout(1500)
        page.screenshot(path=Path(__file__).with_name("explorer.png"))
        browser.close()
        process.terminate()


if __name__ == "__main__":
    main()
