"""Between the objects of a kind and what the store holds of them.

They differ for kinds of several versions, for views of another kind, and where a default came
after an object was stored. Pure; used by the registry.
"""

from __future__ import annotations

from kapp.machinery.objects import Object
from kapp.machinery.scheme import Kind
from kapp.machinery.store import decode, encode


def shown(kind: Kind, body: bytes) -> bytes:
    """A stored object, as JSON of `kind`."""
    return body if kind.present is None else encode(kind.present(decode(body)))


def presented(kind: Kind, stored: Object) -> Object:
    """A stored object as one of `kind`."""
    return stored if kind.present is None else kind.present(dict(stored))


def to_store(kind: Kind, obj: Object) -> Object:
    """What to store of an object of `kind`."""
    if kind.store is not None:
        return kind.store(obj)
    if not kind.storage_version:
        return obj
    stored = kind.gvk._replace(version=kind.storage_version)
    return {**obj, "apiVersion": stored.api_version}
