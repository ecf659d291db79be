"""The pages of audit and judge in a real browser, on a phone in the dark; needs Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from tests.chromium import needs_chromium, open_chromium
from tests.external.judged_data import file_of, make_run, make_truth

from ferbench.external.audit import Rules, audit_data
from ferbench.external.audit_page import audit_page
from ferbench.external.judge import judge
from ferbench.external.judged_page import judged_page
from ferbench.external.opening import open_data
from ferbench.external.rivals import Rivals

pytestmark = [needs_chromium, pytest.mark.thorough]


@pytest.fixture(scope="module")
def pages(faulty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    with open_data(faulty) as opened:
        report = audit_data(opened, Rules())
    (folder / "audited.html").write_text(audit_page("faces", report), encoding="utf-8")
    truth = make_truth(folder, dataset="ckplus")
    runs = [make_run(truth, name, errors) for name, errors in (("a", 9), ("b", 20))]
    report = judge(truth, [file_of(*runs)], runs, Rivals(notes=["old: withdrawn"]))
    (folder / "judged.html").write_text(judged_page(report), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=["audited.html", "judged.html"])
def shown(pages: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Page, list[str]]]:
    errors: list[str] = []
    with open_chromium() as browser:
        context = browser.new_context(
            viewport={"width": 390, "height": 844}, color_scheme="dark", offline=True
        )
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.goto((pages / request.param).as_uri())
        page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        yield page, errors


def test_page_loads_offline_fits_a_phone_and_is_accessible(
    shown: tuple[Page, list[str]],
) -> None:
    page, errors = shown
    assert errors == []
    sizes = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert sizes[0] <= sizes[1]
    found = Axe().run(page, options={"rules": {"color-contrast": {"enabled": False}}})
    serious = {
        violation["id"]: [node["target"] for node in violation["nodes"]][:3]
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
    }
    assert serious == {}
