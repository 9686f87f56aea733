"""Consistent lists in pages: continue tokens, and a page's place in the collection.

Every page is served as the collection was when the first one was read; the store's log gives that
for as long as it reaches back, then 410. Source: k8s.io/apiserver/pkg/storage/continue.go.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from kapp.machinery.objects import Object, ObjectKey
from kapp.machinery.status import ApiError, bad_request, gone

# A version is Go's uint64.
_MAX_VERSION_DIGITS = 20


class Page(msgspec.Struct, frozen=True):
    """Encoded objects of a list.

    Attributes:
        bodies: the objects, in the order of their keys.
        resource_version: what the list shows; a watch continues from it.
        continue_token: for the next page, "" on the last.
        remaining: how many objects follow, where that is known.
    """

    bodies: list[bytes]
    resource_version: str
    continue_token: str = ""
    remaining: int | None = None

    def objects(self) -> list[Object]:
        """Fresh copies of the objects."""
        return [msgspec.json.decode(body, type=Object) for body in self.bodies]

    def metadata(self) -> Object:
        """The list's own metadata."""
        meta: Object = {"resourceVersion": self.resource_version}
        if self.continue_token:
            meta["continue"] = self.continue_token
        if self.remaining is not None:
            meta["remainingItemCount"] = self.remaining
        return meta

    def encode(self, kind: str, api_version: str) -> bytes:
        """The list as JSON, joined from stored bytes."""
        head = msgspec.json.encode({"kind": f"{kind}List", "apiVersion": api_version})
        return b'%b,"metadata":%b,"items":[%b]}\n' % (
            head[:-1],
            msgspec.json.encode(self.metadata()),
            b",".join(self.bodies),
        )


class _Token(msgspec.Struct):
    rv: int
    namespace: str
    name: str


def write_token(resource_version: int, last: ObjectKey) -> str:
    """The token for the page after `last`."""
    raw = msgspec.json.encode(_Token(resource_version, last.namespace, last.name))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_token(token: str) -> tuple[int, ObjectKey]:
    """The version and the last key of the page before. Raises ApiError (400)."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = msgspec.json.decode(raw, type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error
    return found.rv, ObjectKey(found.namespace, found.name)


def expired_token() -> ApiError:
    """410 for a token whose version is gone."""
    return gone(
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter."
    )


def parse_version(text: str) -> int:
    """A resourceVersion as a number; "" is 0. Raises ApiError (400)."""
    if not text:
        return 0
    problem = ""
    if not text.isascii() or not text.isdigit():
        problem = "invalid syntax"
    elif len(text) > _MAX_VERSION_DIGITS:
        problem = "value out of range"
    if problem:
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": '
            f'strconv.ParseUint: parsing "{text}": {problem}'
        )
    return int(text)
