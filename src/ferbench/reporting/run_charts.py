"""The report's charts, of a single run, for its page in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ferbench.reporting.charts import Chart, confusion_chart, reliability_chart, shares

if TYPE_CHECKING:
    from ferbench.tracking.publish import RunTables

__all__ = ["run_charts"]


def run_charts(tables: RunTables) -> list[Chart]:
    """Confusion matrix and reliability on test; MLflow draws the learning curves itself."""
    record = tables.record
    confusion = tables.confusion[tables.confusion["subset"] == "test"]
    title = f"{record.variant} on {record.name}, seed {record.seed}"
    return [
        confusion_chart("confusion_test", f"{title}: test, per cent", shares(confusion)),
        reliability_chart("reliability_test", f"{title}: test", tables.reliability),
    ]
