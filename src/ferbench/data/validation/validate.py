"""Validation of an index by Great Expectations: a report, a page, an error if it is unusable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe
from great_expectations.expectations.metadata_types import FailureSeverity
from jinja2 import Environment, PackageLoader

from ferbench.artifacts.index import SCHEMA, read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Validate
from ferbench.errors import InputError
from ferbench.files import fresh_folder, read_json

__all__ = [
    "Expectation",
    "expectations",
    "prepare",
    "render_page",
    "require",
    "test_all",
    "validate",
]

# Great Expectations names its pages by the time of the run; equal data shall give equal pages.
_RUN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_ACTIONS = (gx.checkpoint.UpdateDataDocsAction(name="docs"),)
_EXAMPLES = 5
_COUNTS = (
    ("images", "readable images"),
    ("unique", "kept images"),
    ("faces", "annotated faces"),
    ("persons", "persons"),
    ("sequences", "sequences"),
    ("duplicate_groups", "groups of byte-equal images"),
    ("redundant_copies", "redundant copies"),
    ("conflict_groups", "groups whose labels disagree"),
    ("conflict_images", "images in those"),
    ("quarantined", "quarantined"),
    ("excluded", "excluded by the data set's own rules"),
    ("clipped_boxes", "boxes clipped at the border"),
    ("polygons", "polygons converted to boxes"),
)


def validate(paths: DatasetPaths, settings: Validate, protocol: str) -> dict[str, Any]:
    """The report of a data set: description, counts, and every expectation with the observed value.

    The Data Docs of Great Expectations are written beside it.

    Args:
        paths: of the data set.
        settings: section `validate`.
        protocol: of the row.

    Raises:
        InputError: stage dedup has not been run.
    """
    index = read_index(paths.index)
    summary = read_json(paths.dedup_summary)
    counts = summary["counts"]
    listed = counts["images"] + counts["quarantined"]
    frame = prepare(index, paths.raw, counts["quarantined"] / listed if listed else 1.0)
    checks = list(expectations(frame, settings, summary["emotions"], protocol))
    tested = test_all(checks, frame, paths.report.parent / "docs" / paths.key)
    return {
        **summary["about"],
        **counts,
        "expectations": tested,
        "passed": all(check["holds"] or not check["critical"] for check in tested),
    }


def require(report: Mapping[str, Any], where: object) -> None:
    """Stop at a failed critical expectation.

    Raises:
        InputError: a critical expectation failed; all such are listed.
    """
    failed = [check for check in report["expectations"] if check["critical"] and not check["holds"]]
    if failed:
        raise InputError(
            f"{len(failed)} failed expectation{'s' * (len(failed) > 1)}:"
            + "".join(f"\n  - {check['expectation']}: {check['observed']}" for check in failed),
            where=where,
            remedy="".join(f"\n  - {text}" for text in dict.fromkeys(c["remedy"] for c in failed)),
        )


def render_page(key: str, report: Mapping[str, Any]) -> str:
    """The report as one HTML page without external resources, unlike the Data Docs.

    Args:
        key: of the row of `datasets`.
        report: as `validate` returns it.
    """
    loader = PackageLoader("ferbench.data.validation", package_path="")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, keep_trailing_newline=True
    )
    most = max(report["emotions"].values(), default=1)
    page = environment.get_template("page.html")
    return page.render(key=key, report=report, counts=_COUNTS, most=most)


@dataclass(frozen=True)
class Expectation:
    """One check of an index.

    Args:
        text: what is expected.
        expectation: the Great Expectations object that tests it.
        remedy: what to do if it fails.
        example: the column whose values name the offending rows.
        critical: a failure stops the pipeline; otherwise it is only reported.
    """

    text: str
    expectation: Any
    remedy: str = "run stage download, then dedup, again"
    example: str = "image_id"
    critical: bool = True


def prepare(index: pd.DataFrame, raw: Path, quarantined_share: float) -> pd.DataFrame:
    """The index without lists, with columns computed for the expectations.

    Args:
        index: the kept images, as `read_index` returns them.
        raw: folder that its paths are relative to.
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
) -> Iterator[Expectation]:
    """All expectations of a data set.

    Args:
        frame: as `prepare` returns it.
        settings: section `validate` of the parameters.
        emotions: the classes that the data set declares.
        protocol: of the row; under `official` and `official_public` the authors' own
            split must be free of leaks.
    """
    yield from _of_table(settings)
    yield from _of_files(settings)
    yield from _of_labels(settings, emotions)
    if frame["person"].notna().any():
        yield from _of_persons(frame, protocol)


def _true(text: str, column: str) -> Expectation:
    return Expectation(text, gxe.ExpectColumnValuesToBeInSet(column=column, value_set=[True]))


def _of_table(settings: Validate) -> Iterator[Expectation]:
    columns = SCHEMA.names[: SCHEMA.names.index("faces")]
    yield Expectation(
        "the index has its columns",
        gxe.ExpectTableColumnsToMatchSet(column_set=columns, exact_match=False),
    )
    yield Expectation(
        f"there are at least {settings.min_images} images",
        gxe.ExpectTableRowCountToBeBetween(min_value=settings.min_images),
        "check the row's `archive:`, or lower validate.min_images",
    )
    most = settings.max_quarantined_share
    yield Expectation(
        f"at most {most:.1%} of the listed images are quarantined",
        gxe.ExpectColumnMaxToBeBetween(column="quarantined_share", max_value=most),
        "see the rows of the index with dropped_reason `quarantined`; fetch the data set again, or "
        "raise validate.max_quarantined_share",
    )
    for key in ("image_id", "path", "md5"):
        yield Expectation(f"{key} is unique", gxe.ExpectColumnValuesToBeUnique(column=key))
    for key, pattern in (("image_id", r"^[A-Za-z0-9_.]+$"), ("md5", r"^[0-9a-f]{32}$")):
        yield Expectation(
            f"{key} is well formed", gxe.ExpectColumnValuesToMatchRegex(column=key, regex=pattern)
        )


def _of_files(settings: Validate) -> Iterator[Expectation]:
    yield _true("every file is there", "exists")
    for column in ("width", "height"):
        yield Expectation(
            f"{column} is at least {settings.min_side_px} px",
            gxe.ExpectColumnValuesToBeBetween(column=column, min_value=settings.min_side_px),
        )
    yield _true("every box lies inside its image and has an area", "boxes_inside")


def _of_labels(settings: Validate, emotions: Sequence[str]) -> Iterator[Expectation]:
    known = "|".join(emotions)
    yield Expectation(
        "every label is a declared emotion",
        gxe.ExpectColumnValuesToMatchRegex(
            column="face_emotion", regex=rf"^(?:{known})(?:\+(?:{known}))*$"
        ),
        f"declared are {', '.join(emotions)}; correct the source or its options",
        example="face_emotion",
    )
    yield Expectation(
        "every declared emotion has images",
        gxe.ExpectColumnDistinctValuesToContainSet(column="emotion", value_set=list(emotions)),
        "check that the archive is complete",
    )
    least = settings.min_images_per_emotion
    yield Expectation(
        f"every emotion has at least {least} images",
        gxe.ExpectColumnValuesToBeBetween(column="images_of_emotion", min_value=least),
        "add images, or lower validate.min_images_per_emotion",
        example="emotion",
    )
    yield Expectation(
        "equal images have one label",
        gxe.ExpectColumnValuesToBeBetween(column="labels_of_md5", max_value=1),
    )


def _of_persons(frame: pd.DataFrame, protocol: str) -> Iterator[Expectation]:
    yield Expectation(
        "every image has a known person",
        gxe.ExpectColumnValuesToNotBeNull(column="person"),
        "a split cannot keep unknown persons apart: complete the names",
    )
    if frame["source_split"].notna().any():
        yield Expectation(
            "no person is in two source splits",
            gxe.ExpectColumnValuesToBeBetween(column="splits_of_person", max_value=1),
            "use protocol person_70_10_20, which keeps every person in one split",
            example="person",
            critical=protocol in ("official", "official_public"),
        )


def test_all(
    checks: Sequence[Expectation], frame: pd.DataFrame, docs: Path
) -> list[dict[str, Any]]:
    """Test expectations on a frame and write Data Docs about it.

    Args:
        checks: the expectations.
        frame: as `prepare` returns it.
        docs: folder of the Data Docs, replaced as a whole.

    Returns:
        In the order of `checks`: expectation, holds, observed, critical, remedy.
    """
    suite = [
        check.expectation.copy(
            update={
                "description": check.text,
                "severity": FailureSeverity("critical" if check.critical else "warning"),
            }
        )
        for check in checks
    ]
    with fresh_folder(docs) as folder:
        results = {r.expectation_config.description: r for r in _run(suite, frame, folder)}
    return [
        {
            "expectation": check.text,
            "holds": bool(results[check.text].success),
            "observed": _observed(results[check.text], check.example),
            "critical": check.critical,
            "remedy": check.remedy,
        }
        for check in checks
    ]


def _run(expectations: list[Any], frame: pd.DataFrame, docs: Path) -> list[Any]:
    """Results of Great Expectations, in its own order; Data Docs go to the folder `docs`."""
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
        actions=list(_ACTIONS),
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
    """The observed value in a few words that do not change from run to run."""
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
