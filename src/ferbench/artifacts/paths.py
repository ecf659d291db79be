"""Where every artifact lies below the project's root; dvc.yaml names the same paths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DatasetPaths", "StudyPaths"]


@dataclass(frozen=True)
class DatasetPaths:
    """Files of one data set.

    Args:
        key: of its row in params.yaml.
        root: of the project.
    """

    key: str
    root: Path = Path()

    @property
    def raw(self) -> Path:
        """Folder with the files as published (stage `download`)."""
        return self.root / "data" / "raw" / self.key

    @property
    def interim(self) -> Path:
        """Folder with the index and its counts (stage `dedup`)."""
        return self.root / "data" / "interim" / self.key

    @property
    def index(self) -> Path:
        """Table of all listed images, kept or dropped (stage `dedup`)."""
        return self.interim / "index.parquet"

    @property
    def dedup_summary(self) -> Path:
        """Description of the data set and its counts (stage `dedup`)."""
        return self.interim / "dedup.json"

    @property
    def split(self) -> Path:
        """Table of images and their splits (stage `split`)."""
        return self.root / "data" / "splits" / f"{self.key}.parquet"

    @property
    def split_summary(self) -> Path:
        """Classes, protocol and counts of the split (stage `split`)."""
        return self.split.with_suffix(".json")

    @property
    def yolo(self) -> Path:
        """Folder in the layout of YOLO trainers (stage `yolo_labels`)."""
        return self.root / "data" / "yolo" / self.key

    @property
    def boxes(self) -> Path:
        """Table of labelled faces (stage `yolo_labels`)."""
        return self.yolo / "boxes.parquet"

    @property
    def pack(self) -> Path:
        """Folder with all images in one memory-mapped file (stage `pack`)."""
        return self.root / "data" / "pack" / self.key

    @property
    def audit(self) -> Path:
        """Folder with the rows behind the leak audit (stage `audit`)."""
        return self.root / "data" / "audit" / self.key

    @property
    def report(self) -> Path:
        """Counts and expectations of the data set (stage `validate`)."""
        return self.root / "reports" / "data" / f"{self.key}.json"

    @property
    def baselines(self) -> Path:
        """Accuracies of the naive baselines (stage `baselines`)."""
        return self.report.with_suffix(".baselines.json")

    @property
    def audit_report(self) -> Path:
        """Summary of the leak audit (stage `audit`)."""
        return self.report.with_suffix(".audit.json")


@dataclass(frozen=True)
class StudyPaths:
    """Files of one study. Those of a single run are in `ferbench.config.runs.Run.folder`.

    Args:
        study: its name.
        root: of the project.
    """

    study: str
    root: Path = Path()

    @property
    def reports(self) -> Path:
        """Folder of tables, figures and the report."""
        return self.root / "reports" / self.study

    @property
    def data(self) -> Path:
        """Digests of the tables of its data sets (stage `study_data`)."""
        return self.root / "data" / "studies" / f"{self.study}.json"

    @property
    def runs(self) -> Path:
        """Folder of all runs."""
        return self.root / "runs" / self.study

    def description(self, variant: str) -> Path:
        """What a variant is and costs (stage `describe`)."""
        return self.reports / "variants" / f"{variant}.json"

    @property
    def results(self) -> Path:
        """One row a run, subset and metric (stage `score`)."""
        return self.reports / "results.csv"
