"""Resolve and size one row of the variants table.

Reads params.yaml and the code that the row names; writes reports/<study>/variants/<variant>.json.
Command: python pipeline/describe.py <variant>. Some 10 seconds on one core, most of it imports.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.errors import unknown
from ferbench.files import write_json
from ferbench.models.build import task_of
from ferbench.models.describe import describe


def main() -> None:
    (name,) = stage_words()
    params = load_params()
    if name not in params.variants:
        raise unknown("variant", name, params.variants, where="params.yaml")
    variant, recipe = params.variants[name], params.recipe_of(name)
    metric = params.train.select[task_of(variant)]
    description = describe(name, variant, recipe, metric=metric)
    write_json(Path("reports", params.study.name, "variants", f"{name}.json"), description)


if __name__ == "__main__":
    run_stage(main)
