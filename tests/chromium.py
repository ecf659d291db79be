"""The browser of the tests that look at pages: the one that `CHROMIUM` names, or of the path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

__all__ = ["needs_chromium", "open_chromium"]

_PATH = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(
    _PATH is None, reason="no Chromium on the path; CHROMIUM=<its path> names one"
)


@contextmanager
def open_chromium(*options: str) -> Iterator[Browser]:
    """Chromium without a screen.

    Args:
        options: of its command line.
    """
    with sync_playwright() as playwright:
        args = ["--no-sandbox", *options]
        browser = playwright.chromium.launch(executable_path=_PATH, args=args)
        yield browser
        browser.close()
