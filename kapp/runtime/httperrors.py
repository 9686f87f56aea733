"""What went wrong with a request, as kapp's own errors: never aiohttp's.

`ApiError` is what a server answered, `Unreachable` that none did, or none that speaks the API.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import msgspec

from kapp.errors import Unreachable
from kapp.machinery.status import ApiError

# An error page is cut to this many characters in a message.
_ERROR_TEXT_LIMIT = 300

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@contextmanager
def own_errors(where: str) -> Iterator[None]:
    """Raise what aiohttp raises as Unreachable or ApiError, chained; `where` is the server."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        reason = _REASONS.get(error.status, "")
        raise ApiError(
            error.status, reason, f"{where} refused the stream: {error.message}"
        ) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError) as error:
        raise _unreachable(where, error) from error


def _unreachable(where: str, error: BaseException) -> Unreachable:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        why = getattr(error.certificate_error, "verify_message", "") or str(error)
        return Unreachable(
            f"the certificate of {where} is not trusted: {why}",
            hint="check certificate-authority and server in the kubeconfig",
        )
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Unreachable(f"TLS with {where} failed: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        why = error.os_error.strerror or str(error.os_error)
        return Unreachable(f"cannot connect to {where}: {_plain(why)}")
    if isinstance(error, aiohttp.InvalidURL):
        return Unreachable(f"{where} is not a usable address: {error}")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{where} did not answer in time")
    return Unreachable(f"the connection to {where} broke: {_plain(str(error))}")


def _plain(why: str) -> str:
    """`Connect call failed ('127.0.0.1', 1)` is Python's way to say refused."""
    return (
        "connection refused" if why.startswith("Connect call failed") else why[:1].lower() + why[1:]
    )


def error_of(response: aiohttp.ClientResponse, body: bytes) -> ApiError:
    """The Status that a failed answer carries, or one made of its code and text."""
    code = response.status
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        error = ApiError.from_status(status, code)
    else:
        text = " ".join(body.decode(errors="replace").split())[:_ERROR_TEXT_LIMIT]
        what = text or response.reason or "no explanation"
        error = ApiError(code, _REASONS.get(code, ""), f"the server answered {code}: {what}")
    header = response.headers.get("Retry-After", "")
    if error.retry_after_s is None and header.isdigit():
        error.retry_after_s = int(header)
    return error
