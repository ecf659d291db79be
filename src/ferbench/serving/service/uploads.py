"""Bodies of requests within bounds, whatever their headers promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

__all__ = ["MEDIA_TYPES", "RefusedError", "check_media_type", "read_body"]

# What a picture's body may be called. The content decides the format, not the name.
MEDIA_TYPES = (
    *("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff"),
    *("image/x-portable-anymap", "application/octet-stream"),
)
_ALIASES = ("image/jpg", "image/x-ms-bmp", "image/x-portable-graymap", "image/x-portable-pixmap")


class RefusedError(Exception):
    """A request that gets an answer with a status of 400 or more.

    Args:
        status: of HTTP.
        what: is wrong.
        remedy: what the client can do.
        retry_after_s: when the client may try again; None if that would not help.
    """

    def __init__(
        self, status: int, what: str, remedy: str = "", *, retry_after_s: int | None = None
    ) -> None:
        self.status, self.what, self.remedy = status, what, remedy
        self.retry_after_s = retry_after_s
        super().__init__(what)


def check_media_type(headers: Mapping[str, str]) -> None:
    """Raise if the body is not declared as one picture.

    Raises:
        RefusedError: 415, another type, none, or compressed.
    """
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in (*MEDIA_TYPES, *_ALIASES):
        raise RefusedError(
            415,
            "the content type is none of a picture's" if given else "the content type is missing",
            "send the picture itself as the body, with one of the content types "
            f"{', '.join(MEDIA_TYPES)}",
        )
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise RefusedError(415, "the body is compressed", "send it without content encoding")


async def read_body(
    stream: AsyncIterator[bytes], headers: Mapping[str, str], most_bytes: int, timeout_s: float
) -> bytes:
    """The body of a request; no more than the bound is ever held.

    Args:
        stream: parts of the body.
        headers: of the request; a length that they state is believed only if it is too large.
        most_bytes: longest body.
        timeout_s: longest time until it has arrived.

    Raises:
        RefusedError: 413 it is longer, 408 it arrives too slowly.
    """
    stated = headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > most_bytes:
        raise _too_long(most_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for part in stream:
                if len(body) + len(part) > most_bytes:
                    raise _too_long(most_bytes)
                body += part
    except TimeoutError as error:
        raise RefusedError(
            408, f"the body did not arrive within {timeout_s:g} s", "send a smaller picture"
        ) from error
    return bytes(body)


def _too_long(most_bytes: int) -> RefusedError:
    return RefusedError(
        413, f"the body is longer than {most_bytes} bytes", "make the picture smaller"
    )
