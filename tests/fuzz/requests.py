"""Random requests: to the kinds that a server has, most of them nearly right."""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote

from kapp.machinery.requests import Request
from kapp.machinery.scheme import Kind, Scheme

_METHODS = (
    *("GET", "GET", "POST", "POST", "POST", "POST", "PUT", "PUT", "PATCH", "PATCH", "PATCH"),
    *("DELETE", "HEAD", "OPTIONS", "BREW"),
)
_NAMES = ("a", "b", "c", "x.y", "A", "", "..", "%2e%2e", "%00", "%ff", "a%2Fb", "é", "a" * 300)
_MEDIA_TYPES = (
    *("application/json", "application/yaml", "application/merge-patch+json"),
    *("application/json-patch+json", "application/strategic-merge-patch+json"),
    *("application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/plain", ""),
    *("application/json; charset=utf-16", "application/cbor", "a" * 200, "application/json;;="),
)
_ACCEPTS = (
    *("application/json", "*/*", "application/yaml", "application/vnd.kubernetes.protobuf"),
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
    "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    *("application/json;as=Table;v=v9;g=x", ";;;", "text/html;q=nan", "application/json;q=1e999"),
)
_NUMBERS = ("0", "1", "-1", "500", "9" * 30, "9" * 5000, "1e3", "nan", "0x10", "\u0661", " 1", "")
_FLAGS = ("true", "false", "1", "", "yes", "True", "\x00")
_SELECTORS = (
    *(
        "a=b",
        "a!=b",
        "a in (b,c)",
        "!a",
        "a,b",
        "a=b,,",
        "in in (in)",
        "((",
        "a in (",
        "\x00=\ud800",
    ),
    *("metadata.name=a", "metadata.name!=a", "spec.nodeName=", "a\\", "a=b\\,c", "=", "é=é"),
)
_TOKENS = (
    "e30",
    "!!!",
    "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MSwic3RhcnQiOiJhIn0",
    "AAAA",
    "9" * 9999,
)
_QUERY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("limit", "timeoutSeconds", "gracePeriodSeconds", "resourceVersion"), _NUMBERS),
    **dict.fromkeys(
        ("watch", "force", "allowWatchBookmarks", "sendInitialEvents", "pretty"), _FLAGS
    ),
    **dict.fromkeys(("labelSelector", "fieldSelector"), _SELECTORS),
    "continue": _TOKENS,
    "resourceVersionMatch": ("Exact", "NotOlderThan", "Sometimes", ""),
    "dryRun": ("All", "None", "", "all"),
    "fieldValidation": ("Strict", "Warn", "Ignore", "Never", ""),
    "fieldManager": ("me", "", "a" * 200, "\x00", "é"),
    "propagationPolicy": ("Background", "Foreground", "Orphan", "Sideways", ""),
    "orphanDependents": _FLAGS,
    "includeObject": ("None", "Metadata", "Object", "All"),
}
_SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, -(2**63), 10**400, 1.5, 1e308, -0.0),
    *("", "a", "A b", "1", "-1", "100m", "1Gi", "50%", "1e99999", "\x00", "é" * 70, "x" * 5000),
    *("2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0000-00-00", "true", "a/b", "$(X)", "{{}}"),
)
_BROKEN = (
    *(b"", b"{", b"[", b"null", b"1", b'"a"', b"[]", b'{"a":', b"{}{}", b'{"a":1,"a":2}', b"nan"),
    *(
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"k8s\x00",
        b"k8s\x00\x0a\xff\xff\xff\x0f",
    ),
    *(b"a: &a [*a]", b"a: !!python/object:os.system x", b"? {a: b}", b"a: 0o99", b"- - - -", b"\t"),
    *(b"a: &x [y]\nb: [*x,*x]", b"%YAML 9.9\n---\na", b"--- a\n--- b", b"a: 2001-99-99", b"<<: 1"),
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":1e99999}',
    b'{"a":"\\ud800"}',
)
_WORDS = ("replace", "delete", "merge", "", "sideways")


_TEMPLATE = {
    "metadata": {"labels": {"app": "a"}},
    "spec": {
        "containers": [{"name": "a", "image": "busybox:1.36", "ports": [{"containerPort": 80}]}],
        "restartPolicy": "Always",
    },
}
_ONCE = {**_TEMPLATE, "spec": {**_TEMPLATE["spec"], "restartPolicy": "Never"}}
_SELECTED = {"selector": {"matchLabels": {"app": "a"}}, "template": _TEMPLATE}
_GOOD: dict[str, dict[str, Any]] = {
    "Pod": {"spec": _TEMPLATE["spec"]},
    "Deployment": {"spec": {**_SELECTED, "replicas": 1}},
    "ReplicaSet": {"spec": {**_SELECTED, "replicas": 1}},
    "Job": {"spec": {"template": _ONCE}},
    "CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": _ONCE}}}},
    "Service": {"spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}},
    "ConfigMap": {"data": {"a": "b"}},
    "Secret": {"stringData": {"a": "b"}, "type": "Opaque"},
    "Event": {"involvedObject": {"namespace": "default", "kind": "Pod", "name": "a"}},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}]},
    "CustomResourceDefinition": {
        "spec": {
            "group": "x.y",
            "scope": "Namespaced",
            "names": {"plural": "a", "kind": "A"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        }
    },
    "KubernetesApply": {"spec": {"yaml": "a: b"}},
    "PortForward": {"spec": {"forwards": [{"localPort": 1, "containerPort": 1}], "podName": "a"}},
}


class Fuzzer:
    """An endless source of requests to the kinds of a scheme.

    Args:
        rng: decides everything; the same one gives the same requests.
    """

    def __init__(self, scheme: Scheme, rng: random.Random) -> None:
        self._kinds = list(scheme)
        self._rng = rng

    def request(self) -> Request:
        """The next one."""
        rng = self._rng
        kind = rng.choice(self._kinds)
        method = rng.choice(_METHODS)
        path = self._path(kind, method)
        headers = {
            "accept": rng.choice(_ACCEPTS if self._chance(0.1) else _ACCEPTS[:3]),
            "user-agent": rng.choice(("kubectl/v1", "", "/")),
        }
        body = b""
        if method in ("POST", "PUT", "PATCH", "DELETE"):
            headers["content-type"] = self._media_type(method)
            body = self._body(kind, method, headers["content-type"], path)
        query = {
            name: rng.choice(_QUERY[name]) for name in rng.sample(list(_QUERY), self._few() // 2)
        }
        if headers.get("content-type") == "application/apply-patch+yaml" and self._chance(0.9):
            query.setdefault("fieldManager", rng.choice(("me", "you")))
        return Request(method, path, query, headers, body)

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _few(self) -> int:
        return int(self._rng.expovariate(1))

    def _media_type(self, method: str) -> str:
        if self._chance(0.1):
            return self._rng.choice(_MEDIA_TYPES)
        return self._rng.choice(_MEDIA_TYPES[2:6] if method == "PATCH" else _MEDIA_TYPES[:2])

    def _name(self) -> str:
        return self._rng.choice(_NAMES if self._chance(0.1) else _NAMES[:3])

    def _path(self, kind: Kind, method: str) -> str:
        rng = self._rng
        if self._chance(0.05):
            return quote("".join(map(chr, rng.choices(range(1, 400), k=rng.randint(0, 30)))), "/%")
        parts = ["apis", kind.group] if kind.group else ["api"]
        parts.append(kind.version)
        if kind.namespaced and self._chance(0.97):
            namespace = self._name() if self._chance(0.05) else "default"
            parts += ["namespaces", namespace]
        parts.append(kind.plural)
        items = {"POST": 0.05, "PUT": 0.97, "PATCH": 0.97, "DELETE": 0.9}
        if self._chance(items.get(method, 0.6)):
            parts.append(self._name())
            if self._chance(0.2):
                subresources = [sub.name for sub in kind.subresources]
                parts.append(rng.choice(["status", "scale", "binding", *subresources]))
        if self._chance(0.01):
            parts.insert(rng.randrange(len(parts)), self._name())
        if self._chance(0.01):
            del parts[rng.randrange(len(parts))]
        return "/" + "/".join(parts)

    def _body(self, kind: Kind, method: str, media_type: str, path: str) -> bytes:
        if self._chance(0.05):
            return self._rng.choice(_BROKEN)
        if self._chance(0.01):
            depth = self._rng.choice((100, 199, 201, 5000))
            return b'{"a":' * depth + b"1" + b"}" * depth
        value: Any
        if method == "DELETE":
            value = self._some(
                {"gracePeriodSeconds", "preconditions", "propagationPolicy", "dryRun"}
            )
        elif "json-patch" in media_type:
            value = [self._operation(kind) for _ in range(self._few())]
        else:
            value = self._object(kind, patching=method == "PATCH")
            if method != "POST" and isinstance(value.get("metadata"), dict) and self._chance(0.9):
                value["metadata"]["name"] = path.rpartition("/")[2]
        text = json.dumps(value).encode()
        if self._chance(0.03):
            at = self._rng.randrange(len(text) or 1)
            return text[:at] + bytes([self._rng.randrange(256)]) + text[at + 1 :]
        return text

    def _some(self, names: set[str]) -> dict[str, Any]:
        return {name: self._scalar() for name in sorted(names) if self._chance(0.4)}

    def _scalar(self) -> Any:
        if self._chance(0.1):
            return self._rng.choice(([], {}, [None], [[]], [{}], {"": ""}, {"a": {"b": [1]}}))
        return self._rng.choice(_SCALARS)

    def _operation(self, kind: Kind) -> dict[str, Any]:
        rng = self._rng
        path = self._rng.choice(
            ("/metadata/labels", "/spec", "/metadata/name", "", "/", "/~", "/a/-")
        )
        if self._chance(0.5):
            path += "/" + rng.choice(("0", "-1", "-", "a", "~1", "99999999999", "replicas", "x"))
        found = {
            "op": rng.choice(("add", "remove", "replace", "move", "copy", "test", "explode")),
            "path": path,
            "from": rng.choice(("/metadata", "/spec", "/a", "")),
            "value": self._valued(dict(kind.schema), kind, 0),
        }
        return {name: value for name, value in found.items() if self._chance(0.9)}

    def _object(self, kind: Kind, *, patching: bool) -> dict[str, Any]:
        found = self._valued(dict(kind.schema), kind, 0)
        body: dict[str, Any] = found if isinstance(found, dict) else {}
        if kind.kind in _GOOD and self._chance(0.7):
            body = self._varied(json.loads(json.dumps(_GOOD[kind.kind])), body)
        if self._chance(0.95):
            body |= {"apiVersion": kind.gvk.api_version, "kind": kind.kind}
        metadata = self._metadata() if self._chance(0.97) else self._scalar()
        if not patching or self._chance(0.5):
            body["metadata"] = metadata
        if patching and self._chance(0.2):
            self._direct(body)
        return body

    def _varied(self, good: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
        """A good object, with something of another and, now and then, something wrong."""
        for name, value in other.items():
            if isinstance(value, dict) and isinstance(good.get(name), dict):
                good[name] = self._varied(good[name], value)
            elif self._chance(0.3):
                good[name] = value
        while self._chance(0.15):
            self._spoil(good)
        return good

    def _spoil(self, value: Any) -> None:
        """Replace something, however deep, by anything."""
        while True:
            places = list(value) if isinstance(value, dict) else list(range(len(value)))
            if not places:
                return
            place = self._rng.choice(places)
            if not isinstance(value[place], dict | list) or self._chance(0.2):
                value[place] = self._scalar()
                return
            value = value[place]

    def _direct(self, body: dict[str, Any]) -> None:
        """Put a directive of strategic merge patches somewhere."""
        while (inner := [v for v in body.values() if isinstance(v, dict)]) and self._chance(0.6):
            body = self._rng.choice(inner)
        names = list(body) or ["a"]
        directive = self._rng.choice(
            ("$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")
        )
        if directive.endswith("/"):
            directive += self._rng.choice(names)
        body[directive] = self._rng.choice((self._rng.choice(_WORDS), names, [{"name": "a"}], None))

    def _metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self._rng.choice(("a", "b", "c"))}
        odd = {
            "namespace": self._rng.choice(("default", "other", 1)),
            "generateName": "g-",
            "labels": self._rng.choice(({"a": "b"}, {"a": None}, {"": "é"}, [], {"a": 1})),
            "annotations": self._rng.choice(({"a": "x" * 300_000}, {"a b": ""}, None)),
            "finalizers": self._rng.choice((["kapp.dev/x"], ["x"], [1], [], {})),
            "ownerReferences": self._rng.choice(
                (
                    [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}],
                    [{"uid": 1}],
                    [{}],
                    [{"apiVersion": "////", "kind": "", "name": "", "uid": ""}],
                )
            ),
            "managedFields": self._rng.choice(
                (
                    [{}],
                    [],
                    [{"manager": "m", "operation": "Apply", "apiVersion": "v1"}],
                    [{"fieldsV1": {"x": 1}}],
                    "a",
                )
            ),
            **{
                name: self._scalar()
                for name in (
                    "uid",
                    "resourceVersion",
                    "creationTimestamp",
                    "deletionTimestamp",
                    "name",
                )
            },
        }
        return {**found, **{name: value for name, value in odd.items() if self._chance(0.06)}}

    def _valued(self, schema: dict[str, Any], kind: Kind, depth: int) -> Any:
        """Something that a schema asks for; now and then something else."""
        rng = self._rng
        if depth and self._chance(0.02):
            return self._scalar()
        while "$ref" in schema or schema.get("allOf"):
            reference = schema.get("$ref") or schema["allOf"][0].get("$ref") or ""
            schema = dict(
                kind.definitions.get(str(reference).rpartition("/")[2], {"type": "string"})
            )
        properties = schema.get("properties")
        if properties:
            names = [name for name in properties if name not in ("apiVersion", "kind", "metadata")]
            required = [name for name in schema.get("required") or () if self._chance(0.9)]
            chosen = {*required, *rng.sample(names, min(len(names), self._few() + (depth < 2)))}
            if depth > 8:
                chosen = set()
            return {
                name: self._valued(dict(properties[name]), kind, depth + 1)
                for name in sorted(chosen)
                if name in properties
            }
        if isinstance(items := schema.get("items"), dict):
            return [self._valued(dict(items), kind, depth + 1) for _ in range(rng.randint(0, 2))]
        if schema.get("enum"):
            return rng.choice(list(schema["enum"]))
        additional = schema.get("additionalProperties")
        match schema.get("type"):
            case "object":
                inner = dict(additional) if isinstance(additional, dict) else {"type": "string"}
                return {
                    name: self._valued(inner, kind, depth + 1)
                    for name in rng.sample("abc", self._few() % 3)
                }
            case "integer" | "number":
                return rng.choice((0, 1, 2, 80, -1, 2**31 - 1))
            case "boolean":
                return rng.random() < 0.5
            case "array":
                return []
        return rng.choice(
            ("a", "b", "1", "", "100m", "50%", "TCP", "busybox:1.36", 1, "2026-01-01T00:00:00Z")
        )
