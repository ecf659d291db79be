"""Short studies: what a name stands for, what `like` keeps, and that the catalogue is sound."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from ferbench.config.catalogue import Catalogue, expand, read_yaml, study_files
from ferbench.config.params import Params, Recipe, Variant, load_params
from ferbench.errors import InputError
from ferbench.plugins import names

PROJECT = Path(__file__).parents[2]
REAL = Catalogue(PROJECT / "params.yaml")
PARTS = {
    "backbone": "backbones",
    "conv": "convs",
    "attention": "attention",
    "head": "heads",
    "loss": "losses",
}

VARIANTS = """
plain: {body: vgg, gate: none, recipe: small, options: {}}
gated: {like: plain, gate: osam, options: {gate: {repeat: 3, norm: spatial}}}
gated_twice: {like: gated, options: {gate: {repeat: 2}, body: {deep: true}}}
other: {like: gated_twice, gate: sam}
"""
RECIPES = """
small_paper: {epochs: 500, batch: 32, paper: {epochs: 500, batch: unstated}}
small_cpu: {like: small_paper, epochs: 10}
small_wide_cpu: {like: small_cpu, paper: {batch: 64}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The path of a study beside a small catalogue; the study itself is not written."""
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "variants.yaml").write_text(VARIANTS)
    (tmp_path / "catalogue" / "recipes.yaml").write_text(RECIPES)
    return tmp_path / "short.yaml"


def _whole(study: Path, text: str) -> Any:
    return expand(yaml.safe_load(text), study)


def _refusal(study: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        _whole(study, text)
    assert caught.value.remedy, "a refusal says what would do"
    return str(caught.value)


def test_a_name_stands_for_its_whole_row(study: Path) -> None:
    tree = _whole(study, "{seeds: [0], variants: [gated, plain], recipes: paper}")
    gate = {"repeat": 3, "norm": "spatial"}
    row = {"body": "vgg", "gate": "osam", "recipe": "small", "options": {"gate": gate}}
    assert tree["variants"] == {"gated": row, "plain": yaml.safe_load(VARIANTS)["plain"]}
    assert list(tree["variants"]) == ["gated", "plain"]
    paper = {"epochs": 500, "batch": "unstated"}
    assert tree["recipes"] == {"small": {"epochs": 500, "batch": 32, "paper": paper}}
    assert tree["seeds"] == [0]


def test_options_of_a_row_that_is_like_another_are_merged_key_by_key(study: Path) -> None:
    row = _whole(study, "variants: [gated_twice]")["variants"]["gated_twice"]
    assert row["options"] == {"gate": {"repeat": 2, "norm": "spatial"}, "body": {"deep": True}}


def test_another_part_does_not_inherit_the_options_of_the_one_before(study: Path) -> None:
    row = _whole(study, "variants: [other]")["variants"]["other"]
    assert (row["gate"], row["options"]) == ("sam", {"body": {"deep": True}})


def test_a_study_changes_columns_of_a_row_without_changing_the_catalogue(study: Path) -> None:
    text = "variants: [plain, {mine: {like: gated, recipe: big, options: {gate: {repeat: 9}}}}]"
    first, second = _whole(study, text), _whole(study, "variants: [gated]")
    assert first["variants"]["mine"]["options"]["gate"] == {"repeat": 9, "norm": "spatial"}
    assert first["variants"]["mine"]["recipe"] == "big"
    assert second["variants"]["gated"]["options"]["gate"]["repeat"] == 3


def test_a_family_is_bound_by_a_word_by_a_name_or_by_a_changed_recipe(study: Path) -> None:
    def epochs(recipes: str) -> int:
        tree = _whole(study, f"{{variants: [plain], recipes: {recipes}}}")
        return int(tree["recipes"]["small"]["epochs"])

    assert epochs("cpu") == 10
    assert epochs("{small: small_paper}") == 500
    assert epochs("{small: {like: small_cpu, epochs: 1}}") == 1
    assert epochs("{small: {epochs: 7}}") == 7


def test_a_recipe_inherits_the_papers_settings_key_by_key(study: Path) -> None:
    text = (
        "recipes: {a: {like: small_cpu, epochs: 1}, b: {like: small_wide_cpu, paper: {epochs: 9}}}"
    )
    recipes = _whole(study, text)["recipes"]
    assert recipes["a"]["paper"] == {"epochs": 500, "batch": "unstated"}
    assert recipes["b"]["paper"] == {"epochs": 9, "batch": 64}


@pytest.mark.parametrize(
    ("changes", "paper"),
    [
        ("attention: se, location: stage_end", "none"),
        ("options: {head: {activation: relu}}", "none"),
        ("attention: se, location: stage_end, paper: p1", "p1"),
        ("recipe: other", "p1"),
        ("weights: imagenet", "p1"),
    ],
)
def test_a_study_row_with_another_part_is_credited_to_no_paper(changes: str, paper: str) -> None:
    tree = {"variants": yaml.safe_load(f"{{mine: {{like: vgg_improved, {changes}}}}}")}
    assert expand(tree, PROJECT / "params.yaml")["variants"]["mine"]["paper"] == paper


def test_all_stands_for_every_row_and_gives_way_to_rows_behind_it(study: Path) -> None:
    text = "variants: [all, {gated: {like: plain, body: alexnet}}, {other: null}]"
    tree = _whole(study, text)
    assert list(tree["variants"]) == ["plain", "gated", "gated_twice"]
    assert tree["variants"]["gated"]["body"] == "alexnet"


def test_a_whole_tree_passes_untouched_and_needs_no_catalogue(study: Path, tmp_path: Path) -> None:
    once = _whole(study, "{variants: [gated_twice, other], recipes: cpu}")
    lonely = tmp_path / "elsewhere" / "params.yaml"
    assert expand(once, study) == once
    assert expand(once, lonely) == once
    assert expand(["no", "mapping"], lonely) == ["no", "mapping"]
    assert expand({"variants": 3, "recipes": [1]}, lonely) == {"variants": 3, "recipes": [1]}


def test_the_catalogue_is_found_from_the_projects_folder_too(study: Path, tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "catalogue").rename(tmp_path / "studies" / "catalogue")
    tree = expand({"variants": ["plain"]}, tmp_path / "params.yaml")
    assert tree["variants"]["plain"]["body"] == "vgg"
    message = _refusal(tmp_path / "elsewhere" / "params.yaml", "variants: [plain]")
    assert "no catalogue" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("variants: [gatet]", ["short.yaml: variants: gatet", "did you mean 'gated'"]),
        ("variants: {mine: {like: plian}}", ["short.yaml: variants: mine", "'plain'"]),
        ("{variants: [plain], recipes: papper}", ["recipes: small", "'small_paper'"]),
        ("recipes: {small: {like: small_gpu}}", ["recipes: small", "'small_cpu'"]),
        ("variants: [all, {othre: null}]", ["short.yaml: variants: othre", "'other'"]),
        ("variants: [plain, plain]", ["'plain' is listed twice"]),
        ("variants: [{a: {like: plain}, b: {like: plain}}]", ["is no row"]),
    ],
)
def test_a_name_that_points_nowhere_is_refused_with_its_place(
    study: Path, text: str, expected: list[str]
) -> None:
    message = _refusal(study, text)
    assert all(part in message for part in expected), message


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("{a: {like: b}, b: {like: c}, c: {like: b}}", "b is like c is like b"),
        ("{a: {like: a}}", "a is like a"),
        ("{plain: {}, a: {like: plian}}", "did you mean 'plain'"),
        ("[plain]", "is no table of variants"),
        ("{plain: {body: vgg}, plain: {body: vgg}}", "'plain' is given twice"),
    ],
)
def test_a_faulty_catalogue_is_refused_with_its_file(study: Path, rows: str, expected: str) -> None:
    (study.parent / "catalogue" / "variants.yaml").write_text(rows)
    message = _refusal(study, "variants: [a]")
    assert expected in message
    assert "variants.yaml" in message


@pytest.mark.parametrize(("kind", "table"), [(Variant, REAL.variants), (Recipe, REAL.recipes)])
def test_every_row_of_the_catalogue_is_whole(kind: type[Any], table: dict[str, Any]) -> None:
    keys = set(get_type_hints(kind))
    assert {name: set(row) ^ keys for name, row in table.items() if set(row) != keys} == {}
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in table)


def test_every_part_that_a_row_names_is_a_file() -> None:
    for column, folder in PARTS.items():
        known = names(f"ferbench.models.{folder}")
        assert {row[column] for row in REAL.variants.values()} <= set(known)
    augmentations = set(names("ferbench.data.augmentations"))
    assert {recipe["augment"] for recipe in REAL.recipes.values()} <= augmentations


def test_options_are_given_to_columns_that_have_parts() -> None:
    for name, row in REAL.variants.items():
        assert row["options"].keys() <= PARTS.keys(), name


def test_every_family_has_a_recipe_of_its_paper_and_one_for_a_cpu() -> None:
    families = {row["recipe"] for row in REAL.variants.values()}
    assert {f"{f}_{word}" for f in families for word in ("paper", "cpu")} <= REAL.recipes.keys()


def test_no_row_stands_under_two_names() -> None:
    seen: dict[str, str] = {}
    same = []
    for name, row in REAL.variants.items():
        first = seen.setdefault(repr(sorted(row.items())), name)
        if first != name:
            same.append((first, name))
    assert same == []


def test_the_study_of_all_rows_has_every_row_and_downloads_nothing() -> None:
    params = load_params(PROJECT / "studies" / "all_rows.yaml")
    begun = {name for name, row in params.variants.items() if row.weights != "none"}
    assert begun == {"efficientnet_lite0_imagenet"}  # its weights are a package of the registry
    assert {recipe.epochs for recipe in params.recipes.values()} == {1}
    assert params.variants.keys() == REAL.variants.keys()


def test_every_study_has_all_keys_and_expands_to_itself() -> None:
    for path in study_files(PROJECT / "studies"):
        tree = expand(read_yaml(path), path)
        assert tree.keys() == get_type_hints(Params).keys()
        assert expand(tree, path) == tree


DEFAULTS = """
study: {}
seeds: [0, 1, 2]
each_dataset: {archive: null, limit: null, options: {}}
datasets: {}
train: {threads: 1, select: {classify: accuracy, detect: accuracy}}
compare: {metrics: [accuracy], tests: [welch, paired_t]}
"""


def test_a_study_is_merged_with_the_defaults_beside_it(study: Path) -> None:
    """Mappings merge by key; lists and scalars replace."""
    study.with_name("defaults.yaml").write_text(DEFAULTS)
    text = "{compare: {tests: [welch]}, train: {select: {detect: map50}}, study: {name: mine}}"
    tree = _whole(study, text)
    assert tree["compare"] == {"metrics": ["accuracy"], "tests": ["welch"]}
    assert tree["train"] == {"threads": 1, "select": {"classify": "accuracy", "detect": "map50"}}
    assert tree["seeds"] == [0, 1, 2]
    assert list(tree) == ["study", "seeds", "datasets", "train", "compare"]
    assert expand(tree, study) == tree


def test_a_data_set_is_called_after_its_source_and_its_source_after_its_key(study: Path) -> None:
    study.with_name("defaults.yaml").write_text(DEFAULTS)
    text = "datasets: {ckplus: {limit: 5}, by_person: {source: ckplus}, both: {name: a, source: b}}"
    datasets = _whole(study, text)["datasets"]
    assert datasets["ckplus"] == {
        **{"name": "ckplus", "source": "ckplus"},
        **{"archive": None, "limit": 5, "options": {}},
    }
    assert (datasets["by_person"]["name"], datasets["by_person"]["source"]) == ("ckplus", "ckplus")
    assert (datasets["both"]["name"], datasets["both"]["source"]) == ("a", "b")


def test_defaults_are_no_study_and_do_not_reach_params_yaml(study: Path) -> None:
    study.with_name("defaults.yaml").write_text(DEFAULTS)
    study.write_text("study: {name: short}\n")
    assert study_files(study.parent) == [study]
    assert expand({"study": {}}, study.parent.parent / "params.yaml") == {"study": {}}


def test_defaults_that_are_no_mapping_are_refused(study: Path) -> None:
    study.with_name("defaults.yaml").write_text("[a]")
    assert "defaults.yaml" in _refusal(study, "seeds: [0]")
