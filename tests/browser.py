"""A page in headless Chromium, for tests."""

import re
import shutil
import subprocess
from pathlib import Path

BROWSER = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync",
          "--disable-component-update", "--no-first-run", "--enable-logging=stderr", "--v=0")  # fmt: skip


def shown(folder: Path, page: str, probe: str, width: int = 1200) -> tuple[str, list[str]]:
    """Open a page with a script of the test's own at its end.

    Args:
        folder: where the page and the browser's profile are put.
        page: HTML; its security policy is taken out, or the probe would not run.
        probe: JavaScript that leaves its answer in document.title.
        width: of the window in pixels.

    Returns:
        The answer, and what the browser's console said.
    """
    open_page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    path = folder / "page.html"
    path.write_text(open_page.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    size = f"--window-size={width},900"
    command = [str(BROWSER), *_FLAGS, size, f"--user-data-dir={folder}/profile", "--dump-dom", f"file://{path}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>(.*?)</title>", done.stdout, flags=re.DOTALL)
    assert found is not None
    return found[1], [line for line in done.stderr.splitlines() if "CONSOLE" in line]
