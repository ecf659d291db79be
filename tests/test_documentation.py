"""The README, the pages of the documentation, and the references that are made from the code."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from docs.references import REFERENCES, in_place, on_page_markdown

from ferbench import plugins
from ferbench.cli.main import build_parser
from ferbench.config.catalogue import Catalogue
from ferbench.config.claims import Claim, load_claims
from ferbench.config.clusters import Cluster
from ferbench.config.params import Params

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "pages"
DOCUMENTS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md")), *PAGES.glob("*.md")]
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _text(document: Path) -> str:
    """A document as the site has it."""
    return in_place(document.read_text(encoding="utf-8"))


def _prose(document: Path) -> str:
    return BLOCK.sub("", _text(document))


def _anchors(document: Path) -> set[str]:
    """The anchors of headings, which GitHub and mkdocs spell alike for what we write."""
    headings = re.findall(r"^#+ (.*)$", _prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


@pytest.mark.parametrize("name", NAMES)
def test_links_and_pictures_of_documents_exist(name: str) -> None:
    document = ROOT / name
    broken = []
    for link in LINK.findall(_prose(document)):
        path, _, anchor = link.partition("#")
        if link.startswith(("https://", "http://")):
            continue
        target = (document.parent / path).resolve() if path else document
        known = target.exists() and target.is_relative_to(ROOT)
        if not known or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
            broken.append(link)
    assert not broken


def test_a_link_to_nothing_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b`: c\n[x](none.md) `[y](code.md)`\n```\n# no heading\n```\n", "utf-8")
    assert LINK.findall(_prose(page)) == ["none.md"]
    assert _anchors(page) == {"a-b-c"}


def test_every_page_has_a_place_in_the_menu() -> None:
    menu = re.findall(r"(\w+\.md)$", (ROOT / "docs" / "mkdocs.yml").read_text("utf-8"), re.M)
    assert sorted(menu) == sorted(path.name for path in PAGES.glob("*.md"))


def test_every_picture_is_shown_somewhere() -> None:
    shown = {Path(link).name for document in DOCUMENTS for link in LINK.findall(_prose(document))}
    assert {path.name for path in (PAGES / "pictures").iterdir()} <= shown


def test_every_reference_has_a_page() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in PAGES.glob("*.md"))
    assert sorted(re.findall(r"<!-- reference: (\w+) -->", text)) == sorted(REFERENCES)


def _rows(reference: str) -> dict[str, tuple[str, str]]:
    """Value and meaning of each key of a reference."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", reference, re.MULTILINE)
    return {key: (value, meaning) for key, value, meaning in rows}


def _sections(reference: str) -> dict[str, str]:
    parts = re.split(r"^## `?([\w ]+)`?\n", reference, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_reference_has_every_key_of_a_parameter_file() -> None:
    sections = _sections(REFERENCES["params"]())
    assert list(sections) == [field.name for field in dataclasses.fields(Params)]
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert sections.keys() == tree.keys()
    tables = ("datasets", "variants", "recipes", "robustness", "latency", "explain")
    for key, section in tree.items():
        listed = section if isinstance(section, list) else [section]
        rows = section.values() if key in tables else listed
        for row in rows:
            if isinstance(row, dict):
                assert row.keys() <= _rows(sections[key]).keys()


@pytest.mark.parametrize(("name", "record"), [("params", Claim), ("cluster", Cluster)])
def test_every_key_of_a_record_is_in_its_reference(name: str, record: type) -> None:
    reference = REFERENCES[name]()
    rows = _rows(_sections(reference)["claims"] if name == "params" else reference)
    assert list(rows) == [field.name for field in dataclasses.fields(record)]


def test_every_key_has_a_value_and_a_meaning() -> None:
    for name in ("params", "cluster"):
        for key, (value, meaning) in _rows(REFERENCES[name]()).items():
            assert value
            assert meaning or key == "seed"  # explained by the heading


def test_values_are_in_words() -> None:
    sections = _sections(REFERENCES["params"]())
    recipe, dataset = _rows(sections["recipes"]), _rows(sections["datasets"])
    assert recipe["lr"][0] == "number, above 0 and at most 100"
    assert recipe["crops"][0] == "one of `1`, `10`"
    assert recipe["optimizer"][0] == "`sgd`, `adam`, `adamw`"
    assert dataset["limit"][0] == "whole number, at least 1 or null"
    for source in plugins.names("ferbench.data.sources"):
        assert f"`{source}`" in dataset["source"][0]
    assert _rows(REFERENCES["cluster"]())["workers"][0].endswith("; default: 1")


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _options(child)


def test_the_reference_has_every_command_and_option() -> None:
    reference = REFERENCES["commands"]()
    sections = _sections(reference)
    commands = {words.split()[1] for words in sections}
    assert commands == set(plugins.names("ferbench.cli.commands"))
    assert {"ferbench study use", "ferbench study withdraw"} <= sections.keys()
    for option in set(_options(build_parser())) - {"-h", "--help", "--version"}:
        assert re.search(rf"^\| .*`{option}[ `]", reference, re.MULTILINE), option
    assert "<" not in re.sub(r"`[^`]*`", "", reference)  # would be taken for HTML


def _command_lines(program: str) -> list[str]:
    """Every line of a block of any document that calls a program, without its comment."""
    blocks = (block for document in DOCUMENTS for block in BLOCK.findall(_text(document)))
    lines = (line.split("  #")[0].strip() for block in blocks for line in block.splitlines())
    return sorted({line for line in lines if line.startswith(f"{program} ")})


def test_command_lines_of_documents_are_right() -> None:
    lines, parser = _command_lines("ferbench"), build_parser()
    assert len(lines) > 15
    for line in lines:
        words = shlex.split(line)[1:]
        args = parser.parse_args(words)
        assert callable(args.run), line


def test_make_targets_of_documents_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    called = {line.split()[1] for line in _command_lines("make")}
    assert {"repro", "test"} <= called <= targets


def test_links_out_of_the_pages_lead_to_the_repository() -> None:
    config = SimpleNamespace(extra={"repository": "https://example.org/x/y/"})
    text = "see [the rules](../../CONTRIBUTING.md#names) and [more](studies.md)"
    assert on_page_markdown(text, page=None, config=config, files=None) == (
        "see [the rules](https://example.org/x/y/blob/main/CONTRIBUTING.md#names) and "
        "[more](studies.md)"
    )
    config.extra["repository"] = ""
    assert on_page_markdown(text, page=None, config=config, files=None) == (
        "see the rules and [more](studies.md)"
    )


def test_documents_count_rows_and_claims_right() -> None:
    rows = len(Catalogue(ROOT / "params.yaml").variants)
    claims = load_claims(ROOT / "studies" / "catalogue" / "claims.yaml")
    assert f"| {rows} rows," in DOCUMENTS[0].read_text(encoding="utf-8")
    assert f"has {rows} rows:" in (PAGES / "papers.md").read_text(encoding="utf-8")
    told = f"{len(claims)} records of {len({claim.id for claim in claims})}\nclaims"
    assert told in (PAGES / "claims.md").read_text(encoding="utf-8")


def test_readme_has_the_demos_numbers() -> None:
    readme = DOCUMENTS[0].read_text(encoding="utf-8")
    rows = pd.read_csv(ROOT / "benchmarks" / "results" / "demo_numbers.csv")
    for row in rows.to_dict("records"):
        mean, low, high = (f"{100 * row[name]:.1f}" for name in ("mean", "low", "high"))
        assert f"| {mean} | {low} to {high} |" in readme
        assert f"commit {row['commit'][:10]}" in readme
    assert len(rows) == 4
    claims = pd.read_csv(ROOT / "benchmarks" / "results" / "demo_claims.csv")
    for row in claims[claims["variant_b"].notna()].to_dict("records"):
        estimate, low, high = (f"{100 * row[name]:+.1f}" for name in ("estimate", "low", "high"))
        assert f"{estimate} points ({low} to {high})".replace("-", "\N{MINUS SIGN}") in readme
        assert f"*{row['direction']}*" in readme
