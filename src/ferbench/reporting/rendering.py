"""The templates of pages and of Markdown, and how text is escaped in both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from ferbench.reporting.numbers import count, percent

__all__ = ["markdown_cell", "render"]

# What begins HTML in Markdown: CommonMark 0.31, sections 4.6, 6.5 and 6.6.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def render(template: str, context: Mapping[str, Any]) -> str:
    """A file of `templates/`, filled; a name that is missing in `context` is an error.

    Text cannot become markup, neither in pages nor in Markdown, which may hold HTML.
    """
    environment = Environment(
        loader=PackageLoader("ferbench.reporting"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_without_tags if template.endswith(".md") else None,
    )
    environment.filters["cell"] = markdown_cell
    environment.filters["code"] = _code
    environment.filters["measured"] = _measured
    environment.filters["number"] = count
    environment.filters["percent"] = percent
    environment.filters["sentence"] = _sentence
    return environment.get_template(template).render(context)


def _sentence(text: str) -> str:
    """A text with a capital letter first."""
    return text[:1].upper() + text[1:]


def _code(text: str) -> Markup:
    """A text for a page, with what stands between backquotes as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _measured(number: float) -> str:
    """A number of a finding: counts in full, others to six digits."""
    return count(number) if isinstance(number, int) else f"{number:g}"


def _without_tags(value: Any) -> Any:
    """A value of a Markdown template, in which no `<` begins a tag or a comment."""
    return _TAG.sub("&lt;", value) if isinstance(value, str) else value


def markdown_cell(text: str) -> str:
    """A text that cannot break a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
