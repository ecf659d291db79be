"""The pages in a real browser: wide and narrow, light and dark, from the file system.

Needs Chromium (`tests.chromium`). With `FERBENCH_REPORT=<index.html>` and
`FERBENCH_SCREENSHOTS=<folder>` the beginning of that page is saved as `report_desktop.png` and
`report_phone.png`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from tests.chromium import needs_chromium, open_chromium

from ferbench.config.params import Params

pytestmark = [needs_chromium, pytest.mark.thorough]
WIDE, NARROW = (1280, 900), (390, 844)
PAGES = ("demo/index.html", "local.html")
# Layout does not depend on the colours, nor contrast on the width.
VIEWS = ((WIDE, "light"), (NARROW, "dark"))


@dataclass
class View:
    """An open page and what went wrong with it."""

    page: Page
    errors: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def reports(made: tuple[Path, Params, Path]) -> Path:
    return made[0] / "reports"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=PAGES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=VIEWS, ids=lambda view: f"{view[0][0]}px-{view[1]}")
def view(
    reports: Path, browser: Browser, name: str, request: pytest.FixtureRequest
) -> Iterator[View]:
    (width, height), scheme = request.param
    size: Any = {"width": width, "height": height}
    context = browser.new_context(viewport=size, color_scheme=scheme)
    seen = View(context.new_page())
    seen.page.on("console", lambda message: seen.errors.append(message.text))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("requestfailed", lambda request: seen.errors.append(request.url))
    seen.page.goto((reports / name).as_uri())
    seen.page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    yield seen
    context.close()


def test_page_loads_without_errors_and_shows_every_picture(view: View, name: str) -> None:
    for picture in view.page.locator("img").all():
        picture.scroll_into_view_if_needed()
        picture.evaluate("async (picture) => picture.decode()")
    widths = view.page.evaluate("[...document.images].map((picture) => picture.naturalWidth)")
    assert all(width > 0 for width in widths)
    assert len(widths) == (5 if name.startswith("demo") else 0)  # samples, and one a variant
    assert view.errors == []


def test_page_is_not_wider_than_the_screen(view: View) -> None:
    sizes = view.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert sizes[0] <= sizes[1]


def test_every_section_is_linked_in_view_on_a_wide_screen(reports: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
    page.goto((reports / "demo/index.html").as_uri())
    links = page.locator("nav a")
    assert links.count() > 10
    for link in links.all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= WIDE[0]
    links.last.click()
    heading = page.locator(f"{links.last.get_attribute('href')} h2").bounding_box()
    nav = page.locator("nav").bounding_box()
    assert heading is not None
    assert nav is not None
    assert heading["y"] >= nav["y"] + nav["height"]
    page.close()


def test_axe_finds_no_serious_violation(view: View) -> None:
    # Contrast is sought at one width: on a narrow screen that takes half a minute.
    contrast = {"color-contrast": {"enabled": False}}
    found = Axe().run(view.page, options={"rules": contrast}).response["violations"]
    size = view.page.viewport_size
    view.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    found += Axe().run(view.page, options={"runOnly": ["color-contrast"]}).response["violations"]
    view.page.set_viewport_size(size)
    serious = {
        violation["id"]: [node["target"] for node in violation["nodes"]][:3]
        for violation in found
        if violation["impact"] in ("serious", "critical") or violation["id"] == "color-contrast"
    }
    assert serious == {}


def test_page_follows_the_colour_scheme(view: View) -> None:
    dark = view.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    colour = view.page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(colour.removeprefix("rgb(").split(",")[0])
    assert (red < 64) == dark


def column(page: Page, heading: str) -> list[str]:
    """The shown entries of the first table's column, without reference rows."""
    return page.evaluate(
        """(heading) => {
          const table = document.querySelector("#leaderboard table");
          const heads = [...table.tHead.rows[0].cells].map((cell) => cell.innerText.trim());
          const rows = [...table.tBodies[0].rows].filter((row) => row.className !== "note");
          return rows.map((row) => row.cells[heads.indexOf(heading)].innerText);
        }""",
        heading,
    )


@pytest.fixture(scope="module")
def page(reports: Path, browser: Browser) -> Iterator[Page]:
    """The report of the study."""
    page = browser.new_page()
    page.goto((reports / "demo" / "index.html").as_uri())
    yield page
    page.close()


@pytest.mark.parametrize("heading", ["variant", "accuracy %", "std"])
def test_click_on_a_heading_sorts_by_its_column(page: Page, heading: str) -> None:
    before = column(page, heading)
    key = str if heading == "variant" else float
    button = page.locator("#leaderboard table").first.get_by_role(
        "button", name=heading, exact=True
    )
    button.click()
    assert column(page, heading) == sorted(before, key=key)
    button.click()
    assert column(page, heading) == sorted(before, key=key, reverse=True)
    notes = page.evaluate("[...document.querySelectorAll('#leaderboard tr.note')].length")
    last = page.evaluate("document.querySelector('#leaderboard tbody').lastElementChild.className")
    assert (notes, last) == (3, "note")


def test_print_has_no_menu_and_no_clipped_table(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 760, "height": 1000})  # A4 within its margins
    assert not page.locator("nav").is_visible()
    clipped = page.evaluate(
        """[...document.querySelectorAll(".scroll")].filter(
          (box) => box.scrollWidth > box.clientWidth + 1).map((box) => box.ariaLabel)"""
    )
    assert clipped == []
    page.emulate_media(media="screen")


def test_numbers_are_sorted_by_value_with_missing_ones_last(page: Page) -> None:
    entry = "#leaderboard tbody tr:nth-child({}) td:nth-child(2)"
    for row, raw in ((1, "9"), (2, "10"), (3, "nan"), (4, "-1")):
        page.locator(entry.format(row)).first.evaluate(f"(cell) => cell.dataset.raw = '{raw}'")
    page.locator("#leaderboard table th button").nth(1).click()
    raws = [page.locator(entry.format(row)).first.get_attribute("data-raw") for row in range(1, 5)]
    assert raws == ["-1", "9", "10", "nan"]


@pytest.mark.skipif(
    not {"FERBENCH_REPORT", "FERBENCH_SCREENSHOTS"} <= os.environ.keys(),
    reason="FERBENCH_REPORT and FERBENCH_SCREENSHOTS ask for pictures of a report",
)
def test_screenshots_of_a_report_are_saved(browser: Browser) -> None:
    report = Path(os.environ["FERBENCH_REPORT"]).resolve()
    folder = Path(os.environ["FERBENCH_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in (("desktop", (1280, 1600)), ("phone", NARROW)):
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.goto(report.as_uri())
        path = folder / f"report_{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 10_000
        page.close()
