"""The page of the service in a real browser, with a camera that is not there.

Needs Chromium (`tests.chromium`). With `FERBENCH_MODEL=<model folder>`,
`FERBENCH_PICTURE=<a picture>` and `FERBENCH_SCREENSHOTS=<folder>` the page with that picture is
saved as `demo_page.png` and `demo_page_phone.png`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from tests.chromium import needs_chromium, open_chromium
from tests.serving.service.served import in_thread
from tests.serving.test_images import stored

from ferbench.serving.predictor import Predictor
from ferbench.serving.service.answers import PromotionAnswer
from ferbench.serving.service.app import Service
from ferbench.serving.service.saliency import Saliency

pytestmark = [needs_chromium, pytest.mark.thorough]
WIDE, NARROW = (1280, 900), (390, 844)
VIEWS = ((WIDE, "light"), (NARROW, "dark"))
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PICTURE = stored(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
KEY = "the key of the page's test"
GATES = [
    {"gate": "data", "passed": True, "reason": "the data set meets its expectations"},
    {"gate": "recall", "passed": False, "reason": "lowest recall is 0.100, of fear"},
]
DECISION = {"model": "ferbench_x", "version": "3", "promoted": False, "gates": GATES}
ASKED = ("FERBENCH_MODEL", "FERBENCH_PICTURE", "FERBENCH_SCREENSHOTS")


@dataclass
class View:
    """An open page, what went wrong with it, and what it asked for."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium(*CAMERA) as browser:
        yield browser


@pytest.fixture(scope="module")
def service(detector: Path) -> Service:
    predictor = Predictor.load(detector)
    predictor.card = "# A card\n\n| metric | val |\n|---|---:|\n| accuracy | 0.5 |\n"
    promotion = PromotionAnswer.model_validate(DECISION)
    return Service(predictor, Saliency.load(detector), promotion=promotion)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    with in_thread(service) as (address, _):
        yield address


def opened(browser: Browser, address: str, size: tuple[int, int], scheme: Any) -> View:
    viewport: Any = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    seen = View(context.new_page())
    seen.page.on("console", lambda message: _note(seen, message))
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.goto(address)
    return seen


def _note(seen: View, message: ConsoleMessage) -> None:
    """Errors alone: Chromium warns when a test reads a canvas often."""
    if message.type == "error":
        seen.errors.append(message.text)


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0][0]}px-{view[1]}")
def view(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[View]:
    seen = opened(browser, address, *request.param)
    yield seen
    seen.page.context.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    seen = opened(browser, address, WIDE, "light")
    yield seen.page
    seen.page.context.close()


def give(page: Page, content: bytes = PICTURE, kind: str = "image/png") -> None:
    page.set_input_files("#file", {"name": "face.png", "mimeType": kind, "buffer": content})


def drawn(page: Page) -> int:
    """How many pixels of the picture have the colour of the boxes."""
    return page.evaluate(
        """() => {
          const canvas = document.getElementById("view");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let i = 0; i < data.length; i += 4)
            count += data.slice(i, i + 4).join() === "255,196,0,255";
          return count;
        }"""
    )


def serious(page: Page) -> dict[str, list[Any]]:
    return {
        violation["id"]: [node["target"] for node in violation["nodes"]][:3]
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in ("serious", "critical")
    }


def test_upload_gives_boxes_bars_and_a_message_within_the_screen(
    view: View, address: str, service: Service
) -> None:
    page = view.page
    give(page)
    expect(page.locator("#faces > li").first).to_be_visible()
    shares = page.locator("#faces > li").first.locator("td.share").all_inner_texts()
    numbers = [int(share.removesuffix(" %")) for share in shares]
    assert len(numbers) == len(service.model_answer.classes)
    assert numbers == sorted(numbers, reverse=True)
    assert abs(sum(numbers) - 100) <= len(numbers)
    emotion = page.locator("#faces > li h3").first.inner_text().removeprefix("Face 1: ")
    assert emotion in service.model_answer.classes
    expect(page.get_by_role("status")).to_contain_text(f"{emotion} {numbers[0]} %")
    assert drawn(page) > 50
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert serious(page) == {}
    assert view.errors == []
    assert all(url.startswith((address, "blob:")) for url in view.requests)
    kept = "[localStorage.length, sessionStorage.length, document.cookie]"
    assert page.evaluate(kept) == [0, 0, ""]


def test_card_and_evidence_are_one_click_away(view: View) -> None:
    page = view.page
    expect(page.locator("#model-name")).not_to_have_text("…")
    page.get_by_role("button", name="Model card and evidence").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", name="A card")).to_be_visible()
    expect(dialog.get_by_text("Version 3 of ferbench_x was not promoted.")).to_be_visible()
    rows = dialog.locator("#evidence tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["data", "passed", "the data set meets its expectations"],
        ["recall", "failed", "lowest recall is 0.100, of fear"],
    ]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert serious(page) == {}
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    focused = page.evaluate("document.activeElement.id")
    assert focused == "show-model"


def test_keyboard_reaches_everything_and_chooses_a_face(page: Page) -> None:
    give(page)
    expect(page.locator("#faces > li").first).to_be_visible()
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.innerText"))
    assert {"show-model", "file", "camera", "crop", "saliency"} <= reached
    button = page.get_by_role("button", name="Show face 1 in the picture")
    assert "Show face 1 in the picture" in reached
    before = drawn(page)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(button).to_be_focused()
    assert drawn(page) > before


def test_saliency_is_laid_over_the_picture_on_demand(page: Page) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    give(page)
    expect(page.locator("#faces > li").first).to_be_visible()
    expect(page.locator("#caption")).to_be_hidden()
    with page.expect_response(lambda response: "saliency=true" in response.url) as found:
        page.get_by_label("Show what the model looks at").check()
    assert found.value.json()["faces"][0]["saliency"]["png"]
    expect(page.locator("#caption")).to_contain_text("Grad-CAM")
    assert [url for url in sent if "predict" in url and "saliency=false" in url]


def test_camera_is_predicted_until_it_is_stopped(view: View) -> None:
    page = view.page
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#faces > li").first).to_be_visible()
    with page.expect_response(lambda response: "predict" in response.url) as found:
        pass  # the next picture is asked for without a click
    assert found.value.json()["width"] == 640
    assert drawn(page) > 50
    page.get_by_role("button", name="Hold this picture").click()
    expect(page.locator("#video")).to_be_hidden()
    expect(page.locator("#faces > li").first).to_be_visible()
    page.get_by_role("button", name="Use the camera").click()
    expect(page.locator("#video")).to_be_visible()
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("status")).to_have_text("The camera is off.")
    assert page.evaluate("document.getElementById('video').srcObject") is None
    assert view.errors == []


def test_what_is_no_picture_is_explained(page: Page) -> None:
    give(page, b"no picture", "text/plain")
    expect(page.get_by_role("alert")).to_contain_text("not an image of a known format")
    give(page)  # the next one is served
    expect(page.locator("#faces > li").first).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


def test_key_of_the_server_is_asked_for_and_kept_in_the_page_only(
    browser: Browser, service: Service
) -> None:
    with in_thread(service, KEY) as (address, _):
        page = opened(browser, address, WIDE, "light").page
        page.get_by_label("API key of this server").fill(KEY)
        page.get_by_role("button", name="Use key").click()
        expect(page.get_by_label("API key of this server")).to_be_hidden()
        give(page)
        expect(page.locator("#faces > li").first).to_be_visible()
        assert KEY not in page.evaluate("JSON.stringify([localStorage, document.cookie])")
        page.context.close()


@pytest.mark.skipif(
    not set(ASKED) <= os.environ.keys(), reason=f"{', '.join(ASKED)} ask for pictures of the page"
)
def test_screenshots_of_the_page_are_saved(browser: Browser) -> None:
    model, picture, folder = (Path(os.environ[name]) for name in ASKED)
    folder.mkdir(parents=True, exist_ok=True)
    service = Service(Predictor.load(model), Saliency.load(model))
    with in_thread(service) as (address, _):
        for name, size in (("demo_page", WIDE), ("demo_page_phone", NARROW)):
            page = opened(browser, address, size, "light").page
            give(page, picture.read_bytes())
            expect(page.locator("#faces > li").first).to_be_visible()
            if size == WIDE:
                page.get_by_label("Show what the model looks at").check()
                expect(page.locator("#caption")).to_contain_text("Grad-CAM")
            path = folder / f"{name}.png"
            page.screenshot(path=path)
            assert path.stat().st_size > 10_000
            page.context.close()
