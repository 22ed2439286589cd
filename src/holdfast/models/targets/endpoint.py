"""A classifier behind HTTP as a target: JSON in, JSON out."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import SplitResult

import numpy as np
from numpy.typing import NDArray

from holdfast.arguments import checked
from holdfast.errors import InputError, TargetError
from holdfast.models.targets.base import Target
from holdfast.models.targets.http import (
    NoRedirect,
    Useless,
    basic_authorization,
    exchange,
    parsed,
    without_user,
)
from holdfast.models.targets.outputs import checked_outputs
from holdfast.units import Count

PATIENCE = 3  # examples in a row on which it may not answer before it counts as gone
_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses after which another try may succeed
_REFUSED = (401, 403, 404, 405)  # statuses that no other input would change


class Endpoint(Target):
    """POST {"inputs": [...]} to a URL and read {"outputs": [...]}.

    headers: sent with every request, credentials among them; they are kept out of claims, digests
    and messages, as are the query of the URL and its `user:password@`, which is sent as basic
    authentication. timeout: seconds for one request, from the look-up of the host to the last byte
    of the answer. max_bytes: of an answer, a longer one is not read. tries: requests in all where
    one fails; before each repetition it waits `pause` seconds, doubled each time. at_once: examples
    of a request at most. rate: requests a second at most; None: no limit. encode: from an array
    (n, ...) to the JSON to send; decode: from the JSON received to scores (n, K) or labels
    (n,).

    An example that is refused or not answered fails alone. Three in a row without an answer, or
    none at the first request: TargetError.
    """

    @checked
    def __init__(
        self,
        url: str,
        outputs: str | None = None,
        *,
        num_classes: Count | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 10.0,
        tries: int = 3,
        pause: float = 0.5,
        at_once: int = 64,
        rate: float | None = None,
        max_bytes: int = 2**24,
        encode: Callable[[NDArray[Any]], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> None:
        parts = parsed(url)
        least = min(timeout, 1.0 if rate is None else rate)
        if least <= 0 or pause < 0 or min(tries, at_once, max_bytes) < 1:
            raise InputError(
                "an endpoint needs timeout > 0, tries >= 1, pause >= 0, at_once >= 1, rate > 0 and "
                f"max_bytes >= 1, got {timeout}, {tries}, {pause}, {at_once}, {rate} and "
                f"{max_bytes}"
            )
        host = str(parts.hostname)
        host = f"[{host}]" if ":" in host else host
        port = "" if parts.port is None else f":{parts.port}"
        self.shown = f"{parts.scheme}://{host}{port}{parts.path}"  # without user and query
        self.num_classes = num_classes
        self.outputs = checked_outputs(outputs, self.name)
        self.timeout, self.tries, self.pause = timeout, tries, pause
        self.at_once, self.rate, self.max_bytes = at_once, rate, max_bytes
        self._url = without_user(parts)
        self._headers = {"Content-Type": "application/json", **_headers(headers or {}, parts)}
        self._encode = encode or (lambda x: {"inputs": x.tolist()})
        self._decode = decode or (lambda answer: answer["outputs"])
        self._answered, self._silent, self._next = False, 0, 0.0
        self._opener = urllib.request.build_opener(NoRedirect)

    def ask(self, x: NDArray[Any]) -> Any:
        starts = range(0, len(x), self.at_once)
        return np.concatenate([self._answer(x[i : i + self.at_once]) for i in starts])

    @property
    def name(self) -> str:
        return f"endpoint {self.shown}"

    def _answer(self, x: NDArray[Any]) -> NDArray[Any]:
        """Return the answer about a part; an error says whether to go on without it."""
        try:
            found = np.asarray(self._decode(self._request(json.dumps(self._encode(x)).encode())))
            if len(found) != len(x):
                raise InputError(f"{self.name} gives {len(found)} answers to {len(x)} examples")
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - of the network, the server or the two functions
            self._silent += len(x) == 1 and not isinstance(error, _Rejected)
            if not self._answered or self._silent >= PATIENCE or _is_refusal(error):
                raise TargetError(
                    f"{self.name} does not answer ({_reason(error)}, tries: {self.tries}): check "
                    "URL, credentials and format; the same command continues an evaluation"
                ) from None  # the cause may quote the URL
            raise RuntimeError(_reason(error)) from None
        self._answered, self._silent = True, 0
        return found

    def _request(self, body: bytes) -> Any:
        """Return the JSON of an answer; try again where that may help."""
        for attempt in range(self.tries):
            self._wait()
            try:
                request = urllib.request.Request(self._url, body, self._headers)  # noqa: S310 - http
                return json.loads(exchange(self._opener, request, self.timeout, self.max_bytes))
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in _AGAIN:
                    raise _Rejected(error.code) from None
                last: Exception = error
            except (OSError, HTTPException, ValueError) as error:
                last = error
            if attempt + 1 < self.tries:
                time.sleep(self.pause * 2**attempt)
        raise last

    def _wait(self) -> None:
        """Keep to the rate."""
        if self.rate is not None:
            time.sleep(max(self._next - time.monotonic(), 0.0))
            self._next = time.monotonic() + 1 / self.rate


class _Rejected(Exception):
    """The endpoint understood and said no."""

    def __init__(self, code: int) -> None:
        super().__init__(f"HTTP status {code}")
        self.code = code


def _headers(headers: Mapping[str, str], parts: SplitResult) -> dict[str, str]:
    """Return the headers, with the credentials of the URL; InputError where there are two."""
    from_url = basic_authorization(parts)
    if from_url and any(name.lower() == "authorization" for name in headers):
        raise InputError("the URL has a user and the headers an Authorization: say one of them")
    return {**headers, **from_url}


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, _Rejected) and (error.code in _REFUSED or 300 <= error.code < 400)


def _reason(error: Exception) -> str:
    """Return the error, without anything that quotes the URL or the headers."""
    if isinstance(error, urllib.error.HTTPError | _Rejected):
        return f"HTTP status {error.code}"
    if isinstance(error, Useless):
        return str(error)
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(inner, TimeoutError):
        return "timed out"
    text = inner.strerror if isinstance(inner, OSError) and inner.strerror else None
    return f"{type(inner).__name__}: {text}" if text else type(inner).__name__
