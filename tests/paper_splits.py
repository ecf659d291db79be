"""The split that each paper states for each data set, from the catalogue's recipes."""

from __future__ import annotations

from tests.example_study import PROJECT

from ferbench.config.catalogue import read_yaml
from ferbench.config.deviations import UNSTATED

__all__ = ["paper_splits"]


def paper_splits() -> dict[str, dict[str, str]]:
    """Protocols by paper and source; what a paper does not state is left out."""
    recipes = read_yaml(PROJECT / "studies" / "catalogue" / "recipes.yaml")
    papers = [recipe["paper"] for recipe in recipes.values() if recipe.get("paper")]
    return {
        paper["name"]: {
            source: about["split"]
            for source, about in paper["data"].items()
            if about["split"] != UNSTATED
        }
        for paper in papers
        if "data" in paper
    }
