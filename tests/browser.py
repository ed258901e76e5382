"""A real browser for tests: Debian's chromium without window and without network, driven by playwright."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Error, Page, Request, Response

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    # WebGL without a graphics card
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    # look up no name, and fetch nothing in the background; names that end in .example lead to this machine:
    # tests use them for pages of others
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    # servers must refuse pages of others, even if a person has let these reach this machine
    "--disable-features=LocalNetworkAccessChecks",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
SIZE = (1000, 800)
Result = TypeVar("Result")


def find_program() -> str | None:
    """Path of an installed chromium, None without one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def missing() -> str | None:
    """Why no browser can be used; None if one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return None if find_program() else f"none of {', '.join(PROGRAMS)} is installed"


@dataclass
class OpenPage:
    """A page in the browser, which collects its errors.

    Attributes
    ----------
    errors : list of str
        Messages of the console's kind `error`, and exceptions that no script caught.
    failures : list of str
        Requests that were answered 400 or more, or not at all; cancelled ones do not count.
    requests : list of str
        URLs asked for.
    """

    page: Page
    _thread: ThreadPoolExecutor
    errors: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def listen(self) -> None:
        """Start to collect; runs in the browser's thread."""
        self.page.on("console", self._note_message)
        self.page.on("pageerror", self._note_exception)
        self.page.on("request", self._note_request)
        self.page.on("response", self._note_answer)
        self.page.on("requestfailed", self._note_failure)

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _note_exception(self, error: Error) -> None:
        self.errors.append(str(error))

    def _note_request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _note_answer(self, answer: Response) -> None:
        if answer.status >= 400:
            self.failures.append(f"{answer.url}: {answer.status}")

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":
            self.failures.append(f"{request.url}: {request.failure}")

    def do(self, work: Callable[[Page], Result]) -> Result:
        """Run something on playwright's page; returns its result."""
        return self._thread.submit(work, self.page).result()

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Value of a JavaScript expression or function."""
        return self.do(lambda page: page.evaluate(script, argument))

    def wait_until(self, script: str, seconds: float = 20) -> None:
        """Wait for a JavaScript expression to become true; TimeoutError after that."""
        # playwright's own way to wait compiles in the page, which a content policy forbids
        deadline = time.monotonic() + seconds
        while not self._holds(script):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not so within {seconds} s: {script}\n{self.problems()}")
            time.sleep(0.03)

    def _holds(self, script: str) -> bool:
        from playwright.sync_api import Error

        try:
            return bool(self.evaluate(script))
        except Error as error:
            if "context was destroyed" in error.message:  # on the way to another page
                return False
            raise

    def text(self, selector: str) -> str:
        """Visible text of the first element that fits."""
        return self.do(lambda page: page.locator(selector).first.inner_text())

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a person without mouse does."""
        for key in keys:
            self.do(lambda page, key=key: page.keyboard.press(key))

    def focused(self) -> str:
        """Id of the element with the focus, else its text."""
        return str(self.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))

    def screenshot(self, selector: str | None = None) -> np.ndarray:
        """Picture of the window or of an element: uint8, shape (height, width, 3)."""
        png = self.do(lambda page: (page.locator(selector).first if selector else page).screenshot())
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def problems(self) -> list[str]:
        """Errors and failures so far, including those that the browser is about to report."""
        self.do(lambda page: page.wait_for_timeout(50))
        return [*self.errors, *self.failures]


class Browser:
    """One chromium, in a thread of its own: playwright leaves an event loop running in its thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "browser")
        self._driver, self._chromium = self._thread.submit(_launch).result()
        self._contexts: list[Any] = []

    def open_page(self, url: str, size: tuple[int, int] = SIZE, **context: Any) -> OpenPage:
        """Open a URL in a window of (width, height) pixels, with a profile of its own.

        `context` goes to playwright's `new_context`: color_scheme="dark", for one.
        """

        def open_it() -> OpenPage:
            viewport = {"width": size[0], "height": size[1]}
            self._contexts.append(self._chromium.new_context(viewport=viewport, **context))
            opened = OpenPage(self._contexts[-1].new_page(), self._thread)
            opened.listen()
            opened.page.goto(url)
            return opened

        return self._thread.submit(open_it).result()

    def close_pages(self) -> None:
        """Close all open pages."""
        while self._contexts:
            self._thread.submit(self._contexts.pop().close).result()

    def close(self) -> None:
        """End chromium and its driver."""
        self._thread.submit(self._chromium.close).result()
        self._thread.submit(self._driver.stop).result()
        self._thread.shutdown()


def _launch() -> tuple[Any, Any]:
    from playwright.sync_api import sync_playwright

    driver = sync_playwright().start()
    return driver, driver.chromium.launch(executable_path=find_program(), args=list(ARGUMENTS))
