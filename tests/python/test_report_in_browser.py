"""The page in a real headless browser: plots are drawn, nothing fails, and nothing is requested from a network."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest
from greenlane.report.__main__ import main
from PIL import Image

from python.report_files import RESULTS, every_kind

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 7000


class Visit(NamedTuple):
    """The results of opening a page in the browser."""

    document: str
    messages: list[str]
    """The console's messages: failures of scripts, and what the page's policy forbade."""
    requests: set[str]
    """The requests to a network."""
    screenshot: Path


def visit(page: Path, folder: Path) -> Visit:
    """Opens a page twice, for the document and for the picture."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip(f"this machine has no browser ({', '.join(BROWSERS)})")
    log, screenshot = folder / "net.json", folder / "page.png"

    def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
        # Runs without the browser's sandbox, which root and containers cannot have. The page is our own.
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += ["--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", f"--log-net-log={log}"]
        command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={WIDTH},{HEIGHT}"]
        command += ["--virtual-time-budget=10000", *arguments, page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)

    done = browse("--dump-dom")
    browse(f"--screenshot={screenshot}")
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    requests = set(re.findall(r'"url":"((?:https?|wss?)://[^"]*)"', log.read_text()))
    return Visit(done.stdout, messages, requests, screenshot)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """A visit to a page with every section."""
    folder = tmp_path_factory.mktemp("report")
    page = folder / "page.html"
    files = [*every_kind(folder), RESULTS / "h200-neighbour.json"]
    assert main([*map(str, files), "-o", str(page)]) == 0
    return visit(page, folder)


def test_every_plot_is_drawn(shown: Visit) -> None:
    plots = shown.document.split('class="plotly-graph-div js-plotly-plot"')[1:]
    assert len(plots) == shown.document.count('id="plot-') == 6
    for plot in plots:
        assert 'class="main-svg"' in plot
        assert re.search(r'<path class="(js-line|point)', plot) or 'class="point"' in plot
    assert len(re.findall(r'<g class="trace scatter', shown.document)) > 30
    assert shown.document.count('<g class="trace bars"') >= 4


def test_the_page_has_no_errors_and_no_requests(shown: Visit) -> None:
    assert shown.messages == []
    assert shown.requests == set()
    assert "Download plot as a PNG" in re.findall(r'data-title="([^"]*)"', shown.document)
    assert 'data-title="Share' not in shown.document


def test_the_test_browser_detects_errors_and_requests(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<script>throw new Error("mine")</script><img src="http://greenlane.invalid/x.png">')
    seen = visit(page, tmp_path)
    assert any("mine" in message for message in seen.messages)
    assert seen.requests == {"http://greenlane.invalid/x.png"}


def test_the_content_policy_blocks_requests(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert main([str(RESULTS / "h200-memory.json"), "-o", str(page)]) == 0
    page.write_text(page.read_text().replace("</body>", '<img src="http://greenlane.invalid/x.png"></body>'))
    seen = visit(page, tmp_path)
    assert any("Content Security Policy" in message for message in seen.messages)
    assert seen.requests == set()


def test_the_screenshot_shows_the_plots(shown: Visit) -> None:
    with Image.open(shown.screenshot) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        counted = picture.convert("RGB").getcolors(WIDTH * HEIGHT)
    assert counted is not None
    pixels = Counter({colour: count for count, colour in counted})
    assert len(pixels) > 100
    assert 0.5 < pixels[255, 255, 255] / (WIDTH * HEIGHT) < 0.98
    for red, green, blue in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0xB0, 0x00, 0x20), (0x8E, 0xCA, 0xE6)):
        assert pixels[red, green, blue] > 100  # lines of modes, deadlines, a lane on the map
