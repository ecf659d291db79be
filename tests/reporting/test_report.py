import html.parser
import re
from dataclasses import replace

import pandas as pd
import pytest
from tests.reporting.fabricated_reports import fabricate_all

from ferbench.errors import InputError
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study


class Ids(html.parser.HTMLParser):
    """Collects the ids and the addresses of a page."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.loads = [], [], []

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named["href"]] if tag == "a" else []
        self.loads += [named[k] for k in ("src", "data") if k in named]
        self.loads += [named["href"]] if tag in ("link", "image") else []


def test_the_page_stands_alone(made):
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


def test_every_link_of_the_page_leads_to_a_file_or_a_section(made):
    _, _, folder = made
    page = Ids()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        elif link == "../index.html":
            assert (folder / link).is_file()
        elif not link.startswith("../data/"):
            assert (folder / link).is_file(), link


def test_every_picture_and_table_of_the_markdown_is_there(made):
    _, _, folder = made
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert len(links) > 15
    assert all((folder / link).is_file() for link in links)
    assert "\n\n\n\n" not in text


def test_the_verdict_comes_first_with_seeds_hardware_and_commit(made):
    _, _, folder = made
    text = (folder / "report.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[:3] == ["Verdict", "Paper against ours", "Data"]
    assert headings[-1] == "Responsible use"
    before_papers = text.split("## Paper against ours")[0]
    for needed in (
        "2 seeds (0, 1)",
        "Imaginary 2-core",
        "0123456789",
        "naive baseline: 1-NN on raw pixels",
    ):
        assert needed in before_papers


def test_tables_keep_fractions(made):
    _, params, folder = made
    table = pd.read_csv(folder / "tables" / "leaderboard_synthetic.csv")
    results = pd.read_csv(folder / "results.csv")
    mine = results.query("variant == 'ivsa' and metric == 'accuracy' and subset == 'test'")
    row = table.set_index("variant").loc["ivsa"]
    assert row["accuracy %"] == pytest.approx(mine["value"].mean(), abs=1e-5)
    assert row["std"] == pytest.approx(mine["value"].std(), abs=1e-5)
    assert len(table) == len(params.variants) + 3


def test_making_the_report_again_gives_the_same_bytes(made, tmp_path):
    root, params, folder = made
    write_report(make_report(read_study(params, root)), tmp_path)
    files = [p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 15
    assert all((tmp_path / f).read_bytes() == (folder / f).read_bytes() for f in files)


@pytest.mark.parametrize("page", ["index.html", "report.md"])
def test_text_from_data_sets_cannot_become_markup(made, tmp_path, page):
    root, params, _ = made
    files = read_study(params, root)
    facts = {**files.facts["synthetic"], "title": "<script>alert(1)</script>"}
    report = make_report(replace(files, facts={"synthetic": facts}))
    write_report(report, tmp_path)
    text = (tmp_path / page).read_text(encoding="utf-8")
    assert "&lt;script>alert(1)" in text.replace("&gt;", ">")
    assert "<script>alert" not in text


def test_the_title_of_a_study_cannot_become_markup(made, tmp_path):
    root, params, _ = made
    params = replace(
        params, study=replace(params.study, title="<img src=x onerror=alert(1)> 1 < 2")
    )
    write_report(make_report(read_study(params, root)), tmp_path)
    for page in ("index.html", "report.md"):
        assert "<img src=x" not in (tmp_path / page).read_text(encoding="utf-8")
    assert "# &lt;img src=x onerror=alert(1)> 1 < 2\n" in (tmp_path / "report.md").read_text()


def test_one_seed_makes_a_report_without_claims(tmp_path):
    params = fabricate_all(tmp_path, (0,))
    report = make_report(read_study(params, tmp_path))
    write_report(report, tmp_path / "out")
    verdict = report.sections[0].verdict
    assert "from one seed" in verdict.lead
    assert "No difference could be tested" in verdict.significance


def test_a_missing_file_is_named_with_the_command_that_makes_it(made):
    root, params, folder = made
    (folder / "comparisons.csv").rename(folder / "away.csv")
    try:
        with pytest.raises(InputError, match=r"comparisons\.csv.*no such file") as error:
            read_study(params, root)
        assert "dvc repro" in str(error.value)
    finally:
        (folder / "away.csv").rename(folder / "comparisons.csv")


def test_pictures_of_people_are_never_beside_the_page_and_have_one_of_their_own(made, tmp_path):
    root, params, _ = made
    row = replace(params.datasets["synthetic"], source="ckplus")
    licensed = replace(params, datasets={"synthetic": row})
    write_report(make_report(read_study(licensed, root)), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert 'href="people/index.html"' in text
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["README.md"]
    shown = Ids()
    shown.feed((tmp_path / "people" / "index.html").read_text(encoding="utf-8"))
    pictures = [load for load in shown.loads if load != "data:,"]
    assert len(pictures) == 1 + len(params.variants)
    assert all((tmp_path / "people" / picture).is_file() for picture in pictures)


def test_without_times_and_explanations_their_sections_are_left_out(made, tmp_path):
    root, params, _ = made
    bare = replace(read_study(replace(params, latency={}, explain={}), root), pictures=())
    write_report(make_report(bare), tmp_path)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="pictures"' not in text
    assert not (tmp_path / "tables" / "latency.csv").exists()
    assert not (tmp_path / "people").exists()


@pytest.mark.parametrize("name", ["classes.csv", "ranks.csv", "label_noise.json"])
def test_every_table_of_the_stages_before_is_needed(made, name):
    root, params, folder = made
    (folder / name).rename(folder / "away")
    try:
        with pytest.raises(InputError, match=name):
            read_study(params, root)
    finally:
        (folder / "away").rename(folder / name)


def test_every_table_of_the_page_is_a_csv_and_every_chart_a_file(made):
    _, _, folder = made
    page = Ids()
    page.feed((folder / "index.html").read_text(encoding="utf-8"))
    linked = {link for link in page.links if link.startswith("tables/")}
    stored = {f"tables/{path.name}" for path in (folder / "tables").iterdir()}
    # The findings are no table of the page, but a list.
    assert linked == stored - {"tables/findings.csv"}
    text = (folder / "index.html").read_text(encoding="utf-8")
    charts = {path.stem for path in (folder / "figures").iterdir()}
    assert text.count('role="img"') == len(charts)
    of_boxes = {name for name in charts if name.startswith("boxes_")}
    assert of_boxes == {"boxes_synthetic_yolov5s", "boxes_synthetic_yolov5s_osam"}
