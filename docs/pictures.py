"""The two pictures of README.md, taken from a home: `make pictures`.

Needs Chromium (Debian: `apt-get install -y chromium`) and a home that was run, such as the demo's. A picture is a PNG
with a palette, so that it stays small.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--disable-gpu"]
_IMAGES = Path(__file__).with_name("images")
_SIZE = {"width": 1400, "height": 900}
_PATIENCE = 600_000  # milliseconds
_COLOURS, _WIDTH = 96, 1100


def main(home: Path) -> None:
    """Take both pictures of a home."""
    _IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, headless=True, args=_FLAGS)
        page = browser.new_page(viewport=_SIZE)
        page.set_default_timeout(_PATIENCE)
        page.goto((home / "reports" / "latest.html").absolute().as_uri())
        page.wait_for_selector("#page-executive .headline")
        _keep(page, "report")
        _graph(page, home)
        browser.close()


def _graph(page: Page, home: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "segmentation_assets.cli", "--home", str(home), "ui", "--port", str(port)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        line = ""
        for line in server.stderr or ():
            if line.startswith("http://"):
                break
        threading.Thread(target=server.communicate, daemon=True).start()  # what else it says must not fill the pipe
        page.goto(line.split()[0])  # the address with the key
        page.goto(f"http://127.0.0.1:{port}/asset-groups")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(8_000)  # the graph is laid out in the browser, which says nothing when it is done
        _keep(page, "graph")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def _keep(page: Page, name: str) -> None:
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = image.resize((_WIDTH, image.height * _WIDTH // image.width), Image.Resampling.LANCZOS)
    file = _IMAGES / f"{name}.png"
    small.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
