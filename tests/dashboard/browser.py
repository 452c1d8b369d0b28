"""A real browser that can reach this machine alone, and what a test asks of the page in it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import JavascriptException, NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1400,1100",
)
_PATIENCE = 40.0


class Page:
    """The dashboard in the browser."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        """Open the page and wait until its run has ended."""
        self.driver.get(address)
        self.until(lambda: self._all("[data-testid='stCaptionContainer'], [data-testid='stAlert']"))
        self.settle()

    def settle(self) -> None:
        """Wait until the page is not running any more."""
        self.until(lambda: self._all("[data-testid='stApp'][data-test-script-state='notRunning']"))

    def until(self, asked: Callable[[], Any]) -> Any:
        """Wait until the question has a true answer, and give it."""
        transient = (StaleElementReferenceException, NoSuchElementException, JavascriptException, AssertionError)
        return WebDriverWait(self.driver, _PATIENCE, 0.1, ignored_exceptions=transient).until(lambda _: asked())

    def text(self) -> str:
        """All text that the page shows."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def table(self, place: int) -> list[list[str]]:
        """Rows of a table of the page, its heading first, from what it offers to screen readers."""
        grid = self._all("[data-testid='stDataFrame']")[place]
        rows = grid.find_elements(By.CSS_SELECTOR, "canvas tr")
        cells = [row.find_elements(By.CSS_SELECTOR, "th, td") for row in rows]
        return [[cell.get_attribute("textContent") or "" for cell in row] for row in cells]

    def table_with(self, heading: str) -> list[dict[str, str]]:
        """Rows of the first table that has a column of this heading, by heading."""
        for place in range(len(self._all("[data-testid='stDataFrame']"))):
            first, *rows = self.table(place)
            if heading in first:
                return [dict(zip(first, row, strict=True)) for row in rows]
        return []

    def pictures(self) -> list[int]:
        """Widths in pixels of the pictures that the page shows."""
        found = self._all("[data-testid='stImage'] img, [data-testid='stImageContainer'] img")
        return [int(str(image.get_property("naturalWidth") or 0)) for image in found]

    def counts(self) -> tuple[int, int]:
        """Nodes and edges that the page says are drawn."""
        found = re.search(r"([\d,]+) nodes, ([\d,]+) edges drawn of", self.text())
        assert found, self.text()
        return int(found[1].replace(",", "")), int(found[2].replace(",", ""))

    def in_graph(self, expression: str) -> Any:
        """Value of a JavaScript expression inside the frame of the drawing."""
        with self._graph():
            return self.driver.execute_script(f"return {expression}")

    def drawn(self) -> tuple[int, int]:
        """Nodes (the target among them) and edges that the drawing library holds."""
        nodes, edges = self.in_graph("[network.body.data.nodes.length, network.body.data.edges.length]")
        return nodes, edges

    def choose(self, circuit: str) -> None:
        """Choose a circuit in the sidebar."""
        field = self.driver.find_element(By.CSS_SELECTOR, "[data-testid='stSelectbox'] input")
        field.send_keys(circuit, Keys.ENTER)
        self.until(lambda: circuit in [heading.text for heading in self._all("h3")])
        self.settle()

    def move_slider(self, place: int, *keys: str) -> None:
        """Press keys on the thumb of a slider; the page's run on it begins a moment later."""
        before = self.slider(place)
        self._all("[data-testid='stSlider'] input[type='range']")[place].send_keys(*keys)
        self.until(lambda: self.slider(place) != before)

    def slider(self, place: int) -> str:
        """The value a slider shows."""
        return self._all("[data-testid='stSliderThumbValue']")[place].text

    def press(self, label: str) -> None:
        """Press the radio button of that label."""
        self.driver.find_element(By.XPATH, f"//label[.//*[text()='{label}']]").click()
        self.settle()

    def errors(self) -> list[str]:
        """Errors in the browser's console since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def requested_hosts(self) -> set[str]:
        """Hosts that anything was asked of since they were last asked for, frames and sockets included."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
        asked += [e["params"]["url"] for e in events if e["method"] == "Network.webSocketCreated"]
        return {
            parts.hostname or "" for parts in map(urlsplit, asked) if parts.scheme in ("http", "https", "ws", "wss")
        }

    def _all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    @contextmanager
    def _graph(self) -> Iterator[None]:
        self.driver.switch_to.frame(self.driver.find_element(By.CSS_SELECTOR, "iframe"))
        try:
            yield
        finally:
            self.driver.switch_to.default_content()


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A fresh headless Chromium for which no host but 127.0.0.1 exists."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        raise AssertionError("no browser to test in: sudo apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield Page(chrome)
    finally:
        chrome.quit()
