"""One HTTP exchange with limits: on the time until the last byte, and on the size of the reply."""

from __future__ import annotations

import base64
import threading
import time
import urllib.request
from http.client import HTTPResponse
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from holdfast.errors import InputError

_PIECE = 1 << 16  # bytes that are read at once


class Useless(Exception):
    """The reply cannot be used, and asking again would not change that."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: headers with credentials must not go elsewhere."""

    def redirect_request(self, *_: object) -> None:
        return None


def exchange(
    opener: urllib.request.OpenerDirector,
    request: urllib.request.Request,
    seconds: float,
    max_bytes: int,
) -> bytes:
    """Return the body of the reply.

    It works in a thread of its own: neither looking up a name nor reading headers that come byte
    by byte can be told when to end. Raises TimeoutError where the whole takes longer than
    `seconds`, Useless for a reply that is longer than `max_bytes` or compressed, and what urllib
    raises.
    """
    bodies: list[bytes] = []
    errors: list[Exception] = []
    late = time.monotonic() + seconds

    def work() -> None:
        try:
            with opener.open(request, timeout=seconds) as response:
                bodies.append(_read(response, late, max_bytes))
        except Exception as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    thread = threading.Thread(target=work, name="holdfast-endpoint", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not bodies:
        raise TimeoutError
    return bodies[0]


def _read(response: HTTPResponse, late: float, max_bytes: int) -> bytes:
    """Return the body, piece by piece: the length in the headers is not believed."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Useless("the reply is compressed, which was not asked for")
    body = bytearray()
    while piece := response.read1(_PIECE):
        body += piece
        if len(body) > max_bytes:
            raise Useless(f"the reply is longer than max_bytes={max_bytes}: ask for fewer at once")
        if time.monotonic() > late:
            raise TimeoutError
    return bytes(body)


def parsed(url: str) -> SplitResult:
    """Return the parts of an http or https URL; InputError, which quotes nothing of it."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, a broken address
        good = False
    if not good:
        raise InputError(
            "an endpoint is an http or https URL with a host, and perhaps user:password@ before it "
            "and a port behind; write / ? # @ : in a user or password as %2F %3F %23 %40 %3A"
        ) from None
    return parts


def without_user(parts: SplitResult) -> str:
    """Return the URL to ask, without user and password."""
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def basic_authorization(parts: SplitResult) -> dict[str, str]:
    """Return the header that says user and password of a URL (RFC 7617), if it has any."""
    if "@" not in parts.netloc:
        return {}
    said = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(said.encode()).decode()}"}
