"""What MLflow's own pages make of a study, in a real browser.

Needs Chromium (`tests.chromium`). With `FERBENCH_STORE=<address of a tracking store>` (such as
`sqlite:///mlflow.db`), `FERBENCH_STUDY=<its name>` and `FERBENCH_SCREENSHOTS=<folder>` the pages of
that study are saved as `mlflow_charts.png`, `mlflow_canvas.png` and `mlflow_compare.png`.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page
from tests.chromium import needs_chromium, open_chromium

from ferbench.config.params import Params
from ferbench.tracking.publish import publish_study

pytestmark = [needs_chromium, pytest.mark.slow]
ASKED = ("FERBENCH_STORE", "FERBENCH_STUDY", "FERBENCH_SCREENSHOTS")
SLOW_MS = 60_000


@contextmanager
def served(store: str) -> Iterator[str]:
    """MLflow's pages of a store, at their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words, "--backend-store-uri", store],
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(f"{address}/health", server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"no answer from {address}")


def charts(browser: Browser, address: str, store: str, study: str) -> Page:
    """The page of a study's charts, seeds averaged by variant."""
    found = MlflowClient(store).get_experiment_by_name(study)
    assert found is not None
    page = browser.new_page(viewport={"width": 1500, "height": 1200})
    page.goto(f"{address}/#/experiments/{found.experiment_id}/runs?compareRunsMode=CHART")
    page.get_by_text("test/accuracy", exact=True).first.wait_for(timeout=SLOW_MS)
    page.get_by_role("button", name="Close").first.click()  # the assistant beside the charts
    page.get_by_role("button", name="Group by").click()
    page.get_by_role("menu").get_by_text("variant", exact=True).click()
    page.keyboard.press("Escape")
    return page


def compared(browser: Browser, address: str, store: str, study: str) -> Page:
    """The page that compares the first run of every variant of a study."""
    client = MlflowClient(store)
    found = client.get_experiment_by_name(study)
    assert found is not None
    runs = client.search_runs([found.experiment_id], "tags.seed = '0'")
    ids, experiments = [run.info.run_id for run in runs], [found.experiment_id]
    page = browser.new_page(viewport={"width": 1500, "height": 1200})
    words = f"runs={quote(json.dumps(ids))}&experiments={quote(json.dumps(experiments))}"
    page.goto(f"{address}/#/compare-runs?{words}")
    page.get_by_role("link", name="test/accuracy", exact=True).wait_for(timeout=SLOW_MS)
    page.get_by_role("button", name="Close").first.click()
    return page


def test_charts_begin_with_the_scores_on_test_and_comparing_lists_them(
    study: Params, logged: list[str], own_store: Path
) -> None:
    publish_study(study, lambda tables: [])
    store = f"sqlite:///{own_store}"
    with served(store) as address, open_chromium() as browser:
        page = charts(browser, address, store, "demo")
        sections = page.get_by_role("button").filter(has_text="Add chart").all_inner_texts()
        names = [text.splitlines()[0] for text in sections if not text.startswith("Add chart")]
        assert names[0] == "test"
        assert {"test/recall", "test_canvas", "test_degraded_medium", "val"} <= set(names)
        assert names.index("test_canvas") < names.index("val")
        page = compared(browser, address, store, "demo")
        rows = page.get_by_role("link").all_inner_texts()  # of the table, only what is seen
        assert {"test/accuracy", "test/auroc_macro", "test/balanced_accuracy"} <= set(rows)


@pytest.mark.skipif(
    not set(ASKED) <= os.environ.keys(), reason=f"{', '.join(ASKED)} ask for pictures of a store"
)
def test_pictures_of_a_store_are_saved() -> None:
    store, study, folder = (os.environ[name] for name in ASKED)
    with served(store) as address, open_chromium() as browser:
        page = charts(browser, address, store, study)
        page.wait_for_timeout(2_000)  # charts fade in
        page.screenshot(path=Path(folder, "mlflow_charts.png"))
        page.get_by_placeholder("Search metric charts").fill("test_canvas/")
        page.get_by_text("test_canvas/accuracy", exact=True).first.wait_for(timeout=SLOW_MS)
        page.wait_for_timeout(2_000)
        page.screenshot(path=Path(folder, "mlflow_canvas.png"))
        page = compared(browser, address, store, study)
        for part in ("Visualizations", "Parameters"):  # folded, so that the metrics are seen
            page.get_by_text(part, exact=True).last.click()
        page.wait_for_timeout(2_000)
        page.screenshot(path=Path(folder, "mlflow_compare.png"))
