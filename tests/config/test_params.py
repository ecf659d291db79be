"""Parameter files: what is read, and that every kind of mistake is named with place and remedy."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.example_study import PROJECT, example_tree

from ferbench.config.catalogue import study_files
from ferbench.config.checks import ADDED_METRICS
from ferbench.config.params import Params, load_params
from ferbench.errors import InputError

TREE = example_tree()


def _first(table: str) -> str:
    return next(iter(TREE[table]))


def _written(folder: Path, tree: Any) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
    return path


def _refusal(folder: Path, edit: Callable[[Any], None]) -> str:
    tree = copy.deepcopy(TREE)
    edit(tree)
    with pytest.raises(InputError) as caught:
        load_params(_written(folder, tree))
    assert caught.value.remedy, "a refusal says what would do"
    return str(caught.value)


def test_a_whole_file_becomes_frozen_records(tmp_path: Path) -> None:
    params = load_params(_written(tmp_path, TREE))
    assert isinstance(params, Params)
    assert list(params.variants) == list(TREE["variants"])
    variant = _first("variants")
    recipe = params.recipes[TREE["variants"][variant]["recipe"]]
    assert params.recipe_of(variant) is recipe
    assert isinstance(recipe.lr, float)
    with pytest.raises(AttributeError):
        params.seeds = ()  # type: ignore[misc]


@pytest.mark.parametrize("path", study_files(PROJECT / "studies"), ids=lambda p: p.stem)
def test_every_study_loads_and_is_called_like_its_file(path: Path) -> None:
    assert load_params(path).study.name == path.stem


def test_a_whole_number_stands_for_a_float(tmp_path: Path) -> None:
    tree = copy.deepcopy(TREE)
    tree["recipes"][_first("recipes")]["clip_norm"] = 10
    value = load_params(_written(tmp_path, tree)).recipes[_first("recipes")].clip_norm
    assert (value, type(value)) == (10.0, float)


def test_an_unknown_key_is_refused_with_the_nearest_known_one(tmp_path: Path) -> None:
    message = _refusal(tmp_path, lambda tree: tree["train"].update(accelarator="auto"))
    assert "unknown key 'accelarator'" in message
    assert "did you mean 'accelerator'" in message
    assert "params.yaml: train" in message


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    message = _refusal(tmp_path, lambda tree: tree["variants"][_first("variants")].pop("loss"))
    assert "missing: loss" in message
    assert f"variants: {_first('variants')}" in message


@pytest.mark.parametrize(
    ("table", "key", "value", "expected"),
    [
        ("recipes", "epochs", 1.5, "a whole number"),
        ("recipes", "epochs", True, "a whole number"),
        ("recipes", "lr", "fast", "a number"),
        ("recipes", "nesterov", 1, "true or false"),
        ("recipes", "paper", "none", "a mapping"),
        ("datasets", "options", [], "a mapping"),
        ("datasets", "limit", "many", "a whole number"),
        ("datasets", "name", None, "a text"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(
    tmp_path: Path, table: str, key: str, value: object, expected: str
) -> None:
    row = _first(table)
    message = _refusal(tmp_path, lambda tree: tree[table][row].update({key: value}))
    assert f"must be {expected}, is {value!r}" in message
    assert f"{table}: {row}: {key}" in message


def test_typed_deviations_are_refused_with_the_way_they_are_derived(tmp_path: Path) -> None:
    recipe = _first("recipes")
    typed = {"deviations": ["10 epochs instead of 100"]}
    message = _refusal(tmp_path, lambda tree: tree["recipes"][recipe].update(typed))
    assert f"recipes: {recipe}: deviations" in message
    assert "deviations are not typed" in message
    assert "delete the key" in message


def test_an_unknown_setting_of_a_paper_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    recipe = _first("recipes")
    message = _refusal(tmp_path, lambda tree: tree["recipes"][recipe]["paper"].update(epohcs=3))
    assert "unknown setting 'epohcs'" in message
    assert "did you mean 'epochs'" in message
    assert f"recipes: {recipe}: paper" in message


def test_a_number_that_yaml_takes_for_a_word_gets_its_own_remedy(tmp_path: Path) -> None:
    recipe = _first("recipes")
    message = _refusal(tmp_path, lambda tree: tree["recipes"][recipe].update(lr="1e-3"))
    assert "1.0e-3" in message


@pytest.mark.parametrize("value", ["sdg", 3, True])
def test_a_word_outside_its_list_is_refused_with_the_list(tmp_path: Path, value: object) -> None:
    recipe = _first("recipes")
    message = _refusal(tmp_path, lambda tree: tree["recipes"][recipe].update(optimizer=value))
    assert f"unknown value {value!r}" in message
    assert "known: adam, adamw, sgd" in message


def test_true_does_not_pass_for_the_number_one(tmp_path: Path) -> None:
    recipe = _first("recipes")
    assert "channels" in _refusal(
        tmp_path, lambda tree: tree["recipes"][recipe].update(channels=True)
    )


@pytest.mark.parametrize("table", ["datasets", "variants", "recipes"])
@pytest.mark.parametrize("name", ["a-b", "A", "2x", "ä", "a/b", "", "a;b", "a\n", "x" * 65])
def test_a_name_that_cannot_be_a_stage_is_refused(tmp_path: Path, table: str, name: str) -> None:
    message = _refusal(
        tmp_path, lambda tree: tree[table].update({name: tree[table][_first(table)]})
    )
    assert f"bad name {name!r}" in message


@pytest.mark.parametrize(("name", "words"), [("../x", "bad name"), ("data", "called data")])
def test_a_study_name_that_cannot_be_a_folder_is_refused(
    tmp_path: Path, name: str, words: str
) -> None:
    assert words in _refusal(tmp_path, lambda tree: tree["study"].update(name=name))


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    row = _first("variants")
    message = _refusal(tmp_path, lambda tree: tree["variants"][row].update(recipe="magic"))
    assert "unknown recipe 'magic'" in message
    assert f"variants: {row}" in message


def test_a_control_that_is_no_variant_is_refused(tmp_path: Path) -> None:
    message = _refusal(tmp_path, lambda tree: tree["study"].update(control="nobody"))
    assert "unknown variant 'nobody'" in message


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ({"classify": "accuracy", "detect": "map50"}, "picked by map50, which is not compared"),
        ({"classify": "accuracy"}, "picked by nothing, which is not compared"),
        ({"classify": "accuracy", "detect": "accuracy", "segment": "accuracy"}, "'segment'"),
    ],
)
def test_a_checkpoint_is_picked_only_by_a_metric_that_is_compared(
    tmp_path: Path, select: dict[str, str], words: str
) -> None:
    """What is selected must be what is reported."""
    assert words in _refusal(tmp_path, lambda tree: tree["train"].update(select=select))


def test_two_rows_of_one_name_and_one_protocol_are_refused(tmp_path: Path) -> None:
    row = TREE["datasets"][_first("datasets")]
    message = _refusal(tmp_path, lambda tree: tree["datasets"].update(twin=dict(row)))
    assert "one name and one protocol" in message


def test_one_name_under_two_protocols_is_two_data_sets(tmp_path: Path) -> None:
    tree = copy.deepcopy(TREE)
    row = tree["datasets"][_first("datasets")]
    tree["datasets"]["twin"] = row | {"protocol": "stratified_70_10_20"}
    assert row["protocol"] != "stratified_70_10_20"
    assert "twin" in load_params(_written(tmp_path, tree)).datasets


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_are_distinct_and_not_negative(tmp_path: Path, seeds: list[int]) -> None:
    assert "seeds" in _refusal(tmp_path, lambda tree: tree.update(seeds=seeds))


def test_a_key_given_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    path = _written(tmp_path, TREE)
    path.write_text(path.read_text("utf-8") + "seeds: [7]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'seeds' is given twice\n.*line \d+"):
        load_params(path)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a: [",
            "",
            "- 1\n",
            "study: 3\n",
            "study: 2024-13-45\n",
            "seeds: [1" + 5000 * "0" + "]\n",
        ),
        "[" * 5000,
    ],
    ids=lambda text: text[:20],
)
def test_a_file_that_is_no_table_of_tables_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError):
        load_params(path)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00study")
    with pytest.raises(InputError, match="no valid YAML"):
        load_params(path)


def test_an_absent_file_is_answered_with_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ferbench study use demo"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("weights", "normalize", "fits"),
    [
        ("imagenet", "imagenet", True),
        ("imagenet", "none", False),
        ("coco", "none", True),
        ("coco", "imagenet", False),
        ("none", "imagenet", True),
        ("weights.pt", "none", True),
    ],
)
def test_published_weights_are_refused_with_a_recipe_that_scales_inputs_otherwise(
    tmp_path: Path, weights: str, normalize: str, fits: bool
) -> None:
    name = _first("variants")
    recipe = TREE["variants"][name]["recipe"]

    def edit(tree: Any) -> None:
        tree["variants"][name]["weights"] = weights
        tree["recipes"][recipe]["normalize"] = normalize

    if fits:
        tree = copy.deepcopy(TREE)
        edit(tree)
        assert load_params(_written(tmp_path, tree)).variants[name].weights == weights
        return
    message = _refusal(tmp_path, edit)
    assert f"variants: {name}: weights: weights: {weights} were trained with" in message
    assert f"recipe {recipe} has normalize: {normalize}" in message
    assert "give the row a recipe with normalize:" in message


def test_options_that_hold_themselves_are_refused(tmp_path: Path) -> None:
    tree = copy.deepcopy(TREE)
    options: dict[str, Any] = {}
    options["rename"] = options
    tree["datasets"][_first("datasets")]["options"] = options
    with pytest.raises(InputError, match="nested too deeply"):
        load_params(_written(tmp_path, tree))


def test_a_warm_up_as_long_as_the_training_is_legal(tmp_path: Path) -> None:
    """And other ends of ranges that recipes may use."""
    tree = copy.deepcopy(TREE)
    recipe = tree["recipes"][_first("recipes")]
    edges = {"warmup_epochs": recipe["epochs"], "plain_epochs": recipe["epochs"], "mosaic": 1}
    edges |= {"head_epochs": recipe["epochs"], "head_lr": 0.1, "lr_final": 0, "clip_norm": 0}
    recipe |= edges | {"nominal_batch": recipe["batch_size"], "bn_momentum": 1, "patience": 10**6}
    tree["compare"]["metrics"].append("accuracy_any")
    tree["promote"]["metric"] = "accuracy_any"
    tree["train"]["devices"] = 2
    tree["compare"]["omnibus"] = []
    assert load_params(_written(tmp_path, tree)).recipes[_first("recipes")].bn_momentum == 1.0


def test_the_metrics_that_scoring_adds_are_those_it_does_add() -> None:
    from ferbench.evaluation.scoring import ANY

    assert ADDED_METRICS == (ANY,)


def test_reading_parameters_loads_no_heavy_library() -> None:
    code = (
        "import sys; from pathlib import Path; from ferbench.config.params import load_params; "
        f"load_params(Path({str(PROJECT / 'studies' / 'all_rows.yaml')!r})); "
        "print(*{'torch', 'numpy', 'pandas', 'cv2', 'albumentations', 'lightning', 'scipy'}"
        " & set(sys.modules))"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
