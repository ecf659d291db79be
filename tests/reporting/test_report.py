"""The written report: pages that stand alone, tables, figures, and what must not be in them."""

from __future__ import annotations

import html.parser
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tests.reporting.fabricated_reports import fabricate_all

from ferbench import plugins
from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.reporting import sections
from ferbench.reporting.report import Report, make_report, write_report
from ferbench.reporting.study_files import StudyFiles, read_study

Made = tuple[Path, Params, Path]


class Ids(html.parser.HTMLParser):
    """Collects the ids and the addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named["href"]] if tag == "a" else []
        self.loads += [named[k] for k in ("src", "data") if k in named]
        self.loads += [named["href"]] if tag in ("link", "image") else []


def test_page_loads_nothing_but_its_own_pictures(made: Made) -> None:
    _, _, folder = made
    page = Ids()
    text = (folder / "index.html").read_text(encoding="utf-8")
    page.feed(text)
    assert page.loads[0] == "data:,"
    assert all((folder / load).is_file() for load in page.loads[1:])
    assert all(load.startswith("pictures/") for load in page.loads[1:])
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(page.ids) == len(set(page.ids))
    assert "viewport" in text
    assert "prefers-color-scheme: dark" in text


def test_links_of_the_page_lead_to_files_or_sections(made: Made) -> None:
    _, _, folder = made
    page = Ids()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif link == "../index.html":
            assert (folder / link).is_file()
        elif link == "promotion.html":
            assert not (folder / link).exists(), "the stage promote writes it, after the report"
        elif not link.startswith("../data/"):
            assert (folder / link).is_file(), link


def test_links_of_the_markdown_lead_to_files(made: Made) -> None:
    _, _, folder = made
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > 15
    own = [link for link in links if not link.startswith("../data/")]
    assert all((folder / link).is_file() for link in own)
    assert "\n\n\n\n" not in text


def test_claims_and_leaderboard_come_first_with_seeds_hardware_and_commit(made: Made) -> None:
    _, _, folder = made
    text = (folder / "report.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[:3] == ["Claims", "Leaderboard", "Paper against ours"]
    assert headings[-1] == "Responsible use"
    before_papers = text.split("## Paper against ours")[0]
    for needed in (
        "2 seeds (0, 1)",
        "Imaginary 2-core",
        "0123456789",
        "naive baseline: 1-NN on raw pixels",
    ):
        assert needed in before_papers


def test_tables_hold_fractions(made: Made) -> None:
    _, params, folder = made
    table = pd.read_csv(folder / "tables" / "leaderboard_synthetic.csv")
    results = pd.read_csv(folder / "results.csv")
    mine = results.query("variant == 'ivsa' and metric == 'accuracy' and subset == 'test'")
    row = table.set_index("variant").loc["ivsa"]
    assert row["accuracy %"] == pytest.approx(mine["value"].mean(), abs=1e-5)
    assert row["std"] == pytest.approx(mine["value"].std(), abs=1e-5)
    assert len(table) == len(params.variants) + 3


def rebuilt(report: Report, study: StudyFiles, *names: str) -> Report:
    """The report of a changed study, of which only some sections change."""
    built = {name: plugins.load(sections.__name__, name)(study) for name in names}
    found = {**report.sections, **built}
    return Report(study, {name: block for name, block in found.items() if block is not None})


def test_report_made_again_has_the_same_bytes(made: Made, tmp_path: Path) -> None:
    root, params, folder = made
    write_report(make_report(read_study(params, root)), tmp_path)
    files = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 15
    assert all((tmp_path / f).read_bytes() == (folder / f).read_bytes() for f in files)


def test_text_cannot_become_markup(report: Report, study: StudyFiles, tmp_path: Path) -> None:
    facts = {**study.facts["synthetic"], "title": "<script>alert(1)</script>"}
    title = "<img src=x onerror=alert(1)> 1 < 2"
    named = replace(study.params, study=replace(study.params.study, title=title))
    hostile = replace(study, params=named, facts={"synthetic": facts})
    write_report(rebuilt(report, hostile, "data"), tmp_path)
    for page in ("index.html", "report.md"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "&lt;script>alert(1)" in text.replace("&gt;", ">")
        assert "<script>alert" not in text
        assert "<img src=x" not in text
    assert "# &lt;img src=x onerror=alert(1)> 1 < 2\n" in (tmp_path / "report.md").read_text()


@pytest.mark.thorough
def test_one_seed_makes_a_report_without_conclusions(tmp_path: Path) -> None:
    params = fabricate_all(tmp_path, (0,))
    report = make_report(read_study(params, tmp_path))
    write_report(report, tmp_path / "out")
    (leads, _, chance) = report.sections["leaderboard"].parts[0].answers
    assert "from one seed" in leads[1]
    assert "No difference could be tested" in chance[1]


@pytest.mark.parametrize("name", ["comparisons.csv", "classes.csv", "label_noise.json"])
def test_missing_file_is_named_with_the_command_that_makes_it(made: Made, name: str) -> None:
    root, params, folder = made
    (folder / name).rename(folder / "away")
    try:
        with pytest.raises(InputError, match=rf"{name}.*no such file") as error:
            read_study(params, root)
        assert "dvc repro" in str(error.value)
    finally:
        (folder / "away").rename(folder / name)


def test_pictures_of_people_are_in_a_folder_of_their_own(
    report: Report, study: StudyFiles, tmp_path: Path
) -> None:
    people = [replace(picture, synthetic=False) for picture in study.pictures]
    write_report(rebuilt(report, replace(study, pictures=people), "data", "explanations"), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert 'href="people/index.html"' in text
    assert "people/index.html" not in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["README.md"]
    shown = Ids()
    shown.feed((tmp_path / "people" / "index.html").read_text(encoding="utf-8"))
    pictures = [load for load in shown.loads if load != "data:,"]
    assert len(pictures) == 1 + len(study.params.variants)
    assert all((tmp_path / "people" / picture).is_file() for picture in pictures)


@pytest.mark.parametrize(("source", "synthetic"), [("synthetic", True), ("ckplus", False)])
def test_only_pictures_of_the_synthetic_source_may_be_published(
    made: Made, source: str, synthetic: bool
) -> None:
    root, params, _ = made
    row = replace(params.datasets["synthetic"], source=source)
    study = read_study(replace(params, datasets={"synthetic": row}), root)
    assert {picture.synthetic for picture in study.pictures} == {synthetic}


def test_report_without_times_and_pictures_has_no_sections_of_them(
    report: Report, study: StudyFiles, tmp_path: Path
) -> None:
    bare = replace(study, latency={}, pictures=())
    write_report(rebuilt(report, bare, "data", "cost", "explanations"), tmp_path)
    assert 'id="explanations"' not in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert not (tmp_path / "tables" / "latency.csv").exists()
    assert not (tmp_path / "people").exists()


def test_tables_of_the_page_are_csv_files_and_charts_are_figures(made: Made) -> None:
    _, _, folder = made
    page = Ids()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    linked = {link for link in page.links if link.startswith("tables/")}
    assert linked == {f"tables/{path.name}" for path in (folder / "tables").iterdir()}
    text = (folder / "index.html").read_text(encoding="utf-8")
    charts = {path.stem for path in (folder / "figures").iterdir()}
    assert text.count('role="img"') == len(charts)
    of_boxes = {name for name in charts if name.startswith("boxes_")}
    assert of_boxes == {"boxes_synthetic_yolov5s", "boxes_synthetic_yolov5s_osam"}


def test_findings_are_linked_and_not_repeated(
    report: Report, study: StudyFiles, tmp_path: Path
) -> None:
    write_report(rebuilt(report, replace(study, has_findings=True), "papers"), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="../index.html#findings"' in text
    assert 'id="findings"' not in text
