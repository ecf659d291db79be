"""What a variant costs: size, arithmetic, time; and which scores no cheaper variant reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ferbench.reporting.blocks import Block, Table, Value, number, real, word
from ferbench.reporting.charts import Chart, Point, pareto_chart
from ferbench.reporting.numbers import NOTHING, count, decimal
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]


def build(study: StudyFiles) -> Block:
    """Score over cost, size and training time of every variant, and time an image if measured."""
    notes = ("GFLOPs count a multiply-add as two, of the deployed network at its own input size.",)
    return Block(
        title="Cost",
        charts=[*_charts(study)],
        tables=(_cost_table(study), latency_table(study)),
        note=" ".join((*notes, *latency_notes(study))),
    )


def _charts(study: StudyFiles) -> Iterator[Chart]:
    for key in study.keys:
        (name, protocol), means = study.place(key), study.ranked(key)
        sizes = {v: about["params_deployed"] / 1e6 for v, about in study.descriptions.items()}
        costs = [("", "deployed parameters", "millions of deployed parameters", sizes)]
        for how, timed in study.latency.items():
            times = {v: about["forward_ms"] for v, about in timed.items() if "forward_ms" in about}
            axis = f"forward milliseconds an image ({how})"
            costs.append((f"_{how}", f"time an image ({how})", axis, times))
        for suffix, cost, axis, of in costs:
            rows = [Point(m.variant, of[m.variant], m.mean) for m in means if m.variant in of]
            if rows:
                title = f"{study.metric} on {name} under {protocol} over {cost}"
                yield pareto_chart(f"cost_{key}{suffix}", title, rows, axis)


def _cost_table(study: StudyFiles) -> Table:
    rows = []
    for name, about in study.descriptions.items():
        runs = [run for run in study.runs if run.variant == name]
        seconds = sum(run.train_seconds for run in runs) / len(runs)
        rows.append(
            {
                "variant": word(name),
                "paper": word(str(about["paper"]).upper()),
                "parameters, training": number(about["params_train"]),
                "parameters, deployed": number(about["params_deployed"]),
                "GFLOPs": real(about["gflops"], 2),
                "input, px": number(about["input_px"]),
                "training, s a run": Value(decimal(seconds, 0), round(seconds, 1)),
            }
        )
    return Table("cost", rows, title="size and training")


def latency_table(study: StudyFiles) -> Table:
    """Milliseconds an image and images a second, by variant and by how they were measured."""
    rows = [
        {
            "variant": word(variant),
            "how": word(how),
            "forward, ms": real(about.get("forward_ms"), 2),
            "lowest to highest": _range(about),
            "end to end, ms": real(about.get("end_to_end_ms"), 2),
            "forward, FPS": real(about.get("fps_forward"), 0),
            "end to end, FPS": real(about.get("fps_end_to_end"), 0),
        }
        for how, timed in study.latency.items()
        for variant, about in timed.items()
    ]
    return Table("latency", rows, title="time an image")


def _range(about: Mapping[str, Any]) -> Value:
    low, high = about.get("forward_ms_low"), about.get("forward_ms_high")
    if low is None or high is None:
        return Value(NOTHING, float("nan"))
    return Value(f"{decimal(low, 2)} to {decimal(high, 2)}", float(low))


def latency_notes(study: StudyFiles) -> list[str]:
    """How times were measured: a sentence a row of `latency`, then what was not measured."""
    notes = []
    for how, timed in study.latency.items():
        first = next(iter(timed.values()))
        hardware = first["hardware"]
        name = hardware["name"]
        if "driver" in hardware:
            name += f" (driver {hardware['driver']}, CUDA {hardware['cuda']})"
        notes.append(
            f"{how}: {first['device']} {name}, {count(first['threads'])} "
            f"thread{'' if first['threads'] == 1 else 's'}, batch {first['batch']}, "
            f"{first['precision']}; {first['protocol']}."
        )
        notes += [f"{how}, {v}: {a['skipped']}." for v, a in timed.items() if "skipped" in a]
    return notes
