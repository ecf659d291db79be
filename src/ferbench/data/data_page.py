"""A data set's report as one page that needs no network, unlike the Data Docs."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

__all__ = ["render_page"]

_COUNTS = (
    ("images", "readable images"),
    ("unique", "kept in the index"),
    ("faces", "annotated faces"),
    ("persons", "persons"),
    ("sequences", "sequences"),
    ("duplicate_groups", "groups of byte-equal images"),
    ("redundant_copies", "redundant copies"),
    ("conflict_groups", "groups whose labels disagree"),
    ("conflict_images", "images in those"),
    ("quarantined", "quarantined"),
    ("excluded", "left out by the data set's own rules"),
    ("clipped_boxes", "boxes cut at the border"),
    ("polygons", "outlines turned into boxes"),
)

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ report.title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto; padding: 0 1rem;
  color: #1c1e21; background: #fff; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; width: 6rem; }
td.bar { width: 45%; } td.bar div { background: #35618f; height: .8rem; }
.yes { color: #1b6b36; } .no { color: #a3161e; font-weight: 600; } .warn { color: #8a5a00; }
code { overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6e6; background: #16181c; } th, td { border-color: #3a3d42; }
  td.bar div { background: #7fb0e0; } .yes { color: #6fcf97; } .no { color: #ff8a8a; }
  .warn { color: #e6b35a; }
}
</style>
</head>
<body>
<h1>{{ report.title }}</h1>
<p class="{{ 'yes' if report.passed else 'no' }}">
{{ 'All promises that matter are kept.' if report.passed else 'Promises are broken: not usable.' }}
</p>
<table>
{% for key in ('citation', 'licence', 'version', 'faults') %}
<tr><th scope="row">{{ key }}</th><td>{{ report[key] }}</td></tr>
{% endfor %}
{% for name, sum in report.archives.items() %}
<tr><th scope="row">{{ name }}</th><td>SHA-256 <code>{{ sum }}</code></td></tr>
{% endfor %}
</table>
<h2>Counts</h2>
<table>
{% for key, text in counts %}
<tr><th scope="row">{{ text }}</th><td class="number">{{ '{:,}'.format(report[key]) }}</td></tr>
{% endfor %}
</table>
<h2>Images by emotion, after copies are dropped</h2>
<table>
{% for emotion, count in report.emotions.items() %}
<tr><th scope="row">{{ emotion.replace('_', ' ') }}</th>
<td class="number">{{ '{:,}'.format(count) }}</td>
<td class="bar"><div style="width: {{ '%.1f' | format(100 * count / most) }}%"></div></td></tr>
{% endfor %}
</table>
<h2>Promises</h2>
<table>
<tr><th>promise</th><th>kept</th><th>observed</th></tr>
{% for promise in report.promises %}
<tr><td>{{ promise.expectation }}</td>
{% if promise.holds %}<td class="yes">yes</td>
{% elif promise.critical %}<td class="no">no</td>
{% else %}<td class="warn">no (warning)</td>{% endif %}
<td>{{ promise.observed }}{% if not promise.holds %}<br>{{ promise.remedy }}{% endif %}</td></tr>
{% endfor %}
</table>
<p>Every dropped and quarantined image is listed with its reason in
<code>data/interim/{{ key }}/dropped.csv</code> and <code>quarantine.csv</code>.</p>
</body>
</html>
"""


def render_page(key: str, report: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        key: of the row of `datasets`.
        report: as `validate` gives it.
    """
    environment = Environment(autoescape=True, trim_blocks=True, keep_trailing_newline=True)
    most = max(report["emotions"].values(), default=1)
    return environment.from_string(_TEMPLATE).render(
        key=key, report=report, counts=_COUNTS, most=most
    )
