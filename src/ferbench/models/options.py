"""The check of an option's value, for parts that take options."""

from __future__ import annotations

from collections.abc import Collection

from ferbench.errors import unknown

__all__ = ["check_option"]


def check_option(part: str, name: str, value: object, known: Collection[object]) -> None:
    """Refuse a value that an option does not have.

    Args:
        part: whose option it is, such as `loss yolo`.
        name: of the option.
        value: that was given.
        known: all that there are.

    Raises:
        InputError: with the values there are.
    """
    # 1 == True in Python, but not for the reader of a table.
    if not any(
        value == word and isinstance(value, bool) == isinstance(word, bool) for word in known
    ):
        kind = f"{name} of {part}"
        raise unknown(kind, value, [str(word) for word in known], where="params.yaml: variants")
