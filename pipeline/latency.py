"""Time one variant's deployed network under one row of `latency`.

Reads the variant's description; no weights, for they do not change how long it takes. Writes
runs/<study>/_latency/<how>/<variant>.json.
Command: python pipeline/latency.py <how> <variant>. Seconds for inputs of 64 pixels, minutes for
640 on one core.
"""

from ferbench.artifacts.paths import StudyPaths
from ferbench.cli.stage import inference_device, run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.errors import unknown
from ferbench.evaluation.latency import measure_latency
from ferbench.files import read_json, write_json


def main() -> None:
    params = load_params()
    how, variant, *_ = *stage_words(), "", ""
    for kind, word, known in (
        ("row of latency", how, params.latency),
        ("variant", variant, params.variants),
    ):
        if word not in known:
            raise unknown(kind, word, known, where="params.yaml")
    paths = StudyPaths(params.study.name)
    classes = read_json(paths.description(variant))["classes"]
    device = inference_device(params.train.accelerator)
    row, recipe = params.variants[variant], params.recipe_of(variant)
    measured = measure_latency(row, recipe, classes, params.latency[how], device)
    path = paths.runs / "_latency" / how / f"{variant}.json"
    write_json(path, {"variant": variant, "how": how, **measured})


if __name__ == "__main__":
    run_stage(main)
