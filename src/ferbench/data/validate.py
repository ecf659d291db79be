"""What every index promises: Great Expectations of its columns and of some computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity

from ferbench.artifacts.index import SCHEMA, read_index
from ferbench.config.params import Dataset, Validate
from ferbench.data.fetch import PROVENANCE
from ferbench.data.source import Metadata
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.files import fresh_folder, read_json

__all__ = ["Expectation", "examine", "expectations", "observe", "require", "validate"]

_RERUN = "run stage download, then dedup, again"


@dataclass(frozen=True)
class Expectation:
    """One promise.

    Args:
        text: what is promised.
        expectation: the Great Expectations object that tests it.
        remedy: what to do if it is broken.
        example: the column whose values name the offenders.
        critical: a broken promise stops the pipeline; otherwise it is only reported.
    """

    text: str
    expectation: Any
    remedy: str = _RERUN
    example: str = "image_id"
    critical: bool = True


def examine(index: pd.DataFrame, raw: Path, quarantined_share: float) -> pd.DataFrame:
    """The index without lists, with what has to be computed before it can be expected.

    Args:
        index: as `read_index` gives it.
        raw: folder that its paths start from.
        quarantined_share: of the listed images.
    """
    frame = index.drop(columns=["faces", "votes"])
    frame["exists"] = [(raw / path).is_file() for path in index["path"]]
    boxes = zip(index["faces"], index["width"], index["height"], strict=True)
    frame["boxes_inside"] = [_inside(faces, width, height) for faces, width, height in boxes]
    frame["face_emotion"] = ["+".join(sorted({f["emotion"] for f in x})) for x in index["faces"]]
    frame["labels_of_md5"] = frame.groupby("md5")["face_emotion"].transform("nunique")
    frame["images_of_emotion"] = frame.groupby("emotion")["emotion"].transform("size")
    frame["splits_of_person"] = frame.groupby("person")["source_split"].transform("nunique")
    frame["quarantined_share"] = quarantined_share
    return frame


def _inside(faces: Sequence[dict[str, Any]], width: float, height: float) -> bool:
    """Whether there is a face, and every box has an area inside the image."""
    return bool(faces) and all(
        0 <= face["left"] < face["right"] <= width and 0 <= face["top"] < face["bottom"] <= height
        for face in faces
    )


def expectations(
    frame: pd.DataFrame, settings: Validate, emotions: Sequence[str], protocol: str
) -> list[Expectation]:
    """All promises that a data set must keep.

    Args:
        frame: as `examine` gives it.
        settings: section `validate` of the parameters.
        emotions: the classes that the data set declares.
        protocol: of the row; under `official` the source's own split has to be free of leaks.
    """
    return [
        *_of_the_table(settings),
        *_of_files(settings),
        *_of_labels(settings, emotions),
        *_of_persons(frame, protocol),
    ]


def _of_the_table(settings: Validate) -> list[Expectation]:
    known = {"column_set": SCHEMA.names[:-2], "exact_match": False}
    least = settings.min_images
    most = settings.max_quarantined_share
    return [
        Expectation("the index has its columns", gxe.ExpectTableColumnsToMatchSet(**known)),
        Expectation(
            f"there are at least {least} images",
            gxe.ExpectTableRowCountToBeBetween(min_value=least),
            "check the row's `archive:`, or lower validate.min_images",
        ),
        Expectation(
            f"at most {most:.1%} of the listed images are quarantined",
            gxe.ExpectColumnMaxToBeBetween(column="quarantined_share", max_value=most),
            "see quarantine.csv for the reasons; fetch the data set again, or raise "
            "validate.max_quarantined_share",
        ),
        *(
            Expectation(f"{key} is unique", gxe.ExpectColumnValuesToBeUnique(column=key))
            for key in ("image_id", "path", "md5")
        ),
        *(
            Expectation(
                f"{key} is well formed", gxe.ExpectColumnValuesToMatchRegex(column=key, regex=form)
            )
            for key, form in (("image_id", r"^[A-Za-z0-9_.]+$"), ("md5", r"^[0-9a-f]{32}$"))
        ),
    ]


def _of_files(settings: Validate) -> list[Expectation]:
    least = settings.min_side_px
    return [
        Expectation(
            "every file is there",
            gxe.ExpectColumnValuesToBeInSet(column="exists", value_set=[True]),
        ),
        *(
            Expectation(
                f"{side} is at least {least} px",
                gxe.ExpectColumnValuesToBeBetween(column=side, min_value=least),
            )
            for side in ("width", "height")
        ),
        Expectation(
            "every box lies inside its image and has an area",
            gxe.ExpectColumnValuesToBeInSet(column="boxes_inside", value_set=[True]),
        ),
    ]


def _of_labels(settings: Validate, emotions: Sequence[str]) -> list[Expectation]:
    known = "|".join(emotions)
    least = settings.min_images_per_emotion
    return [
        Expectation(
            "every label is a declared emotion",
            gxe.ExpectColumnValuesToMatchRegex(
                column="face_emotion", regex=rf"^(?:{known})(?:\+(?:{known}))*$"
            ),
            f"declared are {', '.join(emotions)}; correct the source or its options",
            example="face_emotion",
        ),
        Expectation(
            "every declared emotion has images",
            gxe.ExpectColumnDistinctValuesToContainSet(column="emotion", value_set=list(emotions)),
            "check that the archive is whole",
        ),
        Expectation(
            f"every emotion has at least {least} images",
            gxe.ExpectColumnValuesToBeBetween(column="images_of_emotion", min_value=least),
            "add images, or lower validate.min_images_per_emotion",
            example="emotion",
        ),
        Expectation(
            "equal images have one label",
            gxe.ExpectColumnValuesToBeBetween(column="labels_of_md5", max_value=1),
        ),
    ]


def _of_persons(frame: pd.DataFrame, protocol: str) -> list[Expectation]:
    """Promises of data sets that know who is shown; none for the others."""
    if not frame["person"].notna().any():
        return []
    named = Expectation(
        "every image says who is shown",
        gxe.ExpectColumnValuesToNotBeNull(column="person"),
        "a split cannot keep unknown persons apart: complete the names",
    )
    if not frame["source_split"].notna().any():
        return [named]
    return [
        named,
        Expectation(
            "no person is in two source splits",
            gxe.ExpectColumnValuesToBeBetween(column="splits_of_person", max_value=1),
            "use protocol person_70_10_20, which keeps every person on one side",
            example="person",
            critical=protocol == "official",
        ),
    ]


# MERGED from ferbench.data.validate:
# Whether a data set keeps its promises: tested by Great Expectations, written down either way.


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
    tested = observe(expectations(frame, settings, emotions, row.protocol), frame, docs)
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


def observe(given: list[Expectation], frame: pd.DataFrame, docs: Path) -> list[dict[str, Any]]:
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
