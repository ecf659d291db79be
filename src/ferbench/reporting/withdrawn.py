"""Withdrawn studies: `reports/withdrawn.yaml`, and the banner at the top of their reports.

A study is withdrawn if its runs were trained before the fix of a defect that changes its numbers,
until all of its runs are trained by code that contains the fix.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

import yaml

from ferbench.config.catalogue import read_yaml
from ferbench.config.records import build_record
from ferbench.errors import InputError
from ferbench.files import whole_file

__all__ = [
    "Withdrawal",
    "mark_report",
    "marked",
    "read_withdrawn",
    "settle",
    "without_mark",
    "write_withdrawn",
]

_FILE = "withdrawn.yaml"
_HEAD = "# Studies whose numbers are withdrawn; written by `ferbench study withdraw`.\n"
_BEGIN, _END = "<!-- withdrawn: begin -->", "<!-- withdrawn: end -->"
_BANNER = re.compile(rf"{_BEGIN}.*?{_END}\n*", re.DOTALL)
_STYLE = (
    "margin: 1rem 0 0; padding: 0.8rem 1.2rem; border: 2px solid var(--warm); border-radius: 12px; "
    "max-width: none"
)


@dataclass(frozen=True)
class Withdrawal:
    """Why the numbers of a study are withdrawn.

    Args:
        before: the commit of the fix; the study's runs were trained before it.
        reason: what the defect was, one sentence.
    """

    before: str
    reason: str

    @property
    def words(self) -> str:
        """As on the index."""
        short = self.before[:10] if re.fullmatch("[0-9a-f]{40}", self.before) else self.before
        return f"withdrawn, trained before {short}"

    @property
    def title(self) -> str:
        """The first sentence of the banner."""
        return f"{self.words[0].upper()}{self.words[1:]}."


def read_withdrawn(reports: Path) -> dict[str, Withdrawal]:
    """The withdrawn studies; empty without the file.

    Args:
        reports: the folder of all reports.
    """
    path = reports / _FILE
    entries = (read_yaml(path) or {}) if path.is_file() else {}
    return {
        str(name): build_record(Withdrawal, entry, f"{path}: {name}")
        for name, entry in entries.items()
    }


def write_withdrawn(reports: Path, withdrawn: Mapping[str, Withdrawal]) -> None:
    """Write the file, sorted by study; without withdrawn studies there is none."""
    path = reports / _FILE
    if not withdrawn:
        path.unlink(missing_ok=True)
        return
    entries = {name: asdict(withdrawn[name]) for name in sorted(withdrawn)}
    with whole_file(path) as temporary:
        text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=100)
        temporary.write_text(_HEAD + text, encoding="utf-8")


def settle(root: Path, study: str, commits: Iterable[str]) -> Withdrawal | None:
    """End the withdrawal of a study if all its runs contain the fix; return what remains of it.

    A commit that git does not know contains nothing, nor does any outside a repository.

    Args:
        root: the project's folder.
        study: its name.
        commits: of its runs, as in `run.json`.
    """
    reports = root / "reports"
    withdrawn = read_withdrawn(reports)
    found = withdrawn.pop(study, None)
    heads = {without_mark(commit) for commit in commits}
    if found and heads and all(_contains(root, head, found.before) for head in heads):
        write_withdrawn(reports, withdrawn)
        return None
    return found


def without_mark(commit: str) -> str:
    """A commit of `run.json` without the mark of changed code: `-dirty`, in older records `+`.

    >>> without_mark("0123456-dirty"), without_mark("0123456+")
    ('0123456', '0123456')
    """
    return commit.removesuffix("-dirty").removesuffix("+")


def _contains(root: Path, commit: str, fix: str) -> bool:
    command = ["git", "merge-base", "--is-ancestor", fix, commit]
    try:
        return subprocess.run(command, cwd=root, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def marked(text: str, name: str, withdrawal: Withdrawal | None) -> str:
    """A report's text with the banner of its withdrawal as the only banner.

    Args:
        text: of `index.html` or `report.md`.
        name: of the file.
        withdrawal: None removes the banner.

    Raises:
        InputError: the page has no body.
    """
    bare = _BANNER.sub("", text)
    if withdrawal is None:
        return bare
    if name.endswith(".md"):
        title, _, rest = bare.partition("\n")
        banner = f"{_BEGIN}\n> **{withdrawal.title}** {withdrawal.reason}\n{_END}"
        return f"{title}\n\n{banner}\n\n{rest.lstrip()}"
    before, body, rest = bare.partition("<body>\n")
    if not body:
        raise InputError("the page has no place for a banner", where=name, remedy="render it again")
    banner = (
        f'{_BEGIN}<aside class="wide" aria-label="withdrawn"><p style="{_STYLE}">'
        f"<strong>{escape(withdrawal.title)}</strong> {escape(withdrawal.reason)}"
        f"</p></aside>{_END}"
    )
    return f"{before}{body}{banner}\n{rest}"


def mark_report(folder: Path, withdrawal: Withdrawal | None) -> None:
    """Put the banner into the rendered report of a study, or remove it.

    Args:
        folder: of the study's report.
        withdrawal: None removes it.

    Raises:
        InputError: there is no such report.
    """
    for name in ("index.html", "report.md"):
        path = folder / name
        if not path.is_file():
            raise InputError("no report", where=path, remedy="`dvc repro report` renders it")
        text = marked(path.read_text(encoding="utf-8"), name, withdrawal)
        with whole_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
