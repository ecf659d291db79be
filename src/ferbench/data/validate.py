"""Whether a data set keeps its promises: tested by Great Expectations, written down either way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.expectations.metadata_types import FailureSeverity

from ferbench.data.fetch import PROVENANCE
from ferbench.data.index import read_index
from ferbench.data.promises import Promise, examine, promises
from ferbench.data.source import Metadata
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.files import fresh_folder, read_json
from ferbench.params import Dataset, Validate

__all__ = ["observe", "require", "validate"]

# Great Expectations names its pages by the run's time; ours shall not change from run to run.
_RUN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_EXAMPLES = 5


def validate(
    row: Dataset, metadata: Metadata, settings: Validate, folders: tuple[Path, Path, Path]
) -> dict[str, Any]:
    """The data set's report: what it is, its counts, and every promise with what was observed.

    Args:
        row: of `datasets`.
        metadata: of its source.
        settings: section `validate`.
        folders: raw, interim, and where the Data Docs go.

    Raises:
        InputError: stage dedup has not been run.
    """
    raw, interim, docs = folders
    if not (interim / "index.parquet").is_file():
        raise InputError("no index", where=interim, remedy="run stage dedup first")
    counts = read_json(interim / "dedup.json")
    index = read_index(interim / "index.parquet")
    emotions = counts.pop("declared") or metadata.emotions or in_order(counts["emotions"])
    listed = counts["images"] + counts["quarantined"]
    frame = examine(index, raw, counts["quarantined"] / listed if listed else 1.0)
    tested = observe(promises(frame, settings, emotions, row.protocol), frame, docs)
    return {
        "title": metadata.title,
        "citation": metadata.citation,
        "licence": metadata.licence,
        "version": metadata.version,
        "faults": metadata.faults,
        "published_images": metadata.images,
        "archives": read_json(raw / PROVENANCE)["archives"] if raw.is_dir() else {},
        **counts,
        "promises": tested,
        "passed": all(promise["holds"] or not promise["critical"] for promise in tested),
    }


def require(report: dict[str, Any], where: object) -> None:
    """Stop at a broken promise.

    Raises:
        InputError: a critical promise is broken; every such promise is listed.
    """
    broken = [p for p in report["promises"] if p["critical"] and not p["holds"]]
    if broken:
        raise InputError(
            f"{len(broken)} broken promise{'s' * (len(broken) > 1)}:"
            + "".join(f"\n  - {p['expectation']}: {p['observed']}" for p in broken),
            where=where,
            remedy="".join(f"\n  - {text}" for text in dict.fromkeys(p["remedy"] for p in broken)),
        )


def observe(given: list[Promise], frame: pd.DataFrame, docs: Path) -> list[dict[str, Any]]:
    """Test promises on a frame and write Data Docs of it.

    Returns:
        In the given order: expectation, holds, observed, critical, remedy.
    """
    expectations = [
        promise.expectation.copy(
            update={
                "description": promise.text,
                "severity": FailureSeverity("critical" if promise.critical else "warning"),
            }
        )
        for promise in given
    ]
    with fresh_folder(docs) as folder:
        results = {r.expectation_config.description: r for r in _run(expectations, frame, folder)}
    return [
        {
            "expectation": promise.text,
            "holds": bool(results[promise.text].success),
            "observed": _observed(results[promise.text], promise.example),
            "critical": promise.critical,
            "remedy": promise.remedy,
        }
        for promise in given
    ]


def _run(expectations: list[Any], frame: pd.DataFrame, docs: Path) -> list[Any]:
    """Great Expectations' results, in an order of its own; Data Docs go to the folder `docs`."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    for site in list(context.list_data_docs_sites()):
        context.delete_data_docs_site(site)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    index_page = {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False}
    context.add_data_docs_site(
        "reports", site | {"site_index_builder": index_page, "store_backend": store}
    )
    asset = context.data_sources.add_pandas("index").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="images", expectations=expectations))
    definition = gx.ValidationDefinition(name="images", data=batch, suite=suite)
    checkpoint = gx.Checkpoint(
        name="images",
        validation_definitions=[context.validation_definitions.add(definition)],
        actions=[gx.checkpoint.UpdateDataDocsAction(name="docs")],
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": ["image_id", "person", "emotion", "face_emotion"],
        },
    )
    result = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": frame},
        run_id=gx.RunIdentifier(run_name="images", run_time=_RUN_TIME),
    )
    (only,) = result.run_results.values()
    return list(only.results)


def _observed(result: Any, example: str) -> str:
    """What a result found, in a few words that do not change from run to run."""
    found = result.result
    info = result.exception_info
    # One record, or one for each metric that could not be computed.
    for record in [info] if "raised_exception" in info else info.values():
        if record["raised_exception"]:
            return f"not tested: {record['exception_message']}"
    if missing := found.get("partial_missing_list"):
        return f"missing: {', '.join(sorted(map(str, missing)))}"
    if count := found.get("unexpected_count"):
        rows = found.get("partial_unexpected_index_list") or []
        names = sorted({str(row[example]) for row in rows})[:_EXAMPLES]
        return f"{count} of {found['element_count']} images, such as {', '.join(names)}"
    value = found.get("observed_value")
    if isinstance(value, int | float):
        return f"{value:g}"
    return "all"
