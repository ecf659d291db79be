"""Templates of pages and of Markdown, filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

__all__ = ["render"]

# What begins HTML in Markdown: CommonMark 0.31, sections 4.6, 6.5 and 6.6.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def render(template: str, context: Mapping[str, Any]) -> str:
    """A file of `templates/`, filled; what is missing in `context` is an error.

    Text cannot become markup, neither in pages nor in Markdown, which may hold HTML.
    """
    pages = Environment(
        loader=PackageLoader("ferbench.reporting"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_without_tags if template.endswith(".md") else None,
    )
    pages.filters["cell"] = _markdown_cell
    pages.filters["code"] = _code
    pages.filters["sentence"] = _sentence
    return pages.get_template(template).render(context)


def _sentence(text: str) -> str:
    """A text with its first letter large."""
    return text[:1].upper() + text[1:]


def _code(text: str) -> Markup:
    """A text for a page, with what stands between backquotes as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _without_tags(value: Any) -> Any:
    """A value of a Markdown template, in which no `<` begins a tag or a comment."""
    return _TAG.sub("&lt;", value) if isinstance(value, str) else value


def _markdown_cell(text: str) -> str:
    """A text that cannot break a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")
