"""The two files of a report: a page and its numbers, never over somebody's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferbench.errors import InputError
from ferbench.files import whole_file, write_json

__all__ = ["Outputs"]


class Outputs:
    """`<name>.html` and `<name>.json` in a folder.

    Args:
        folder: made if it does not exist.
        name: of both files, without suffix.
        force: whether files that exist are replaced.

    Raises:
        InputError: one of the files exists, or the folder is a file.
    """

    def __init__(self, folder: Path, name: str, *, force: bool = False) -> None:
        self.page, self.numbers = (folder / f"{name}.{suffix}" for suffix in ("html", "json"))
        if folder.exists() and not folder.is_dir():
            raise InputError("is no folder", where=folder, remedy="name another one by --out")
        for path in (self.page, self.numbers):
            self.refuse(path, force=force)

    @staticmethod
    def refuse(path: Path, *, force: bool) -> None:
        """Refuse to write over a file.

        Raises:
            InputError: it exists, and is not to be replaced by force.
        """
        if path.exists() and not force:
            remedy = "name another place, or give --force to replace it"
            raise InputError("exists already", where=path, remedy=remedy)

    def write(self, page: str, numbers: Mapping[str, Any]) -> None:
        """Write both, each whole or not at all."""
        write_json(self.numbers, numbers)
        with whole_file(self.page) as temporary:
            temporary.write_text(page, encoding="utf-8")
