"""Random sequences of writes to one object, as data that is sent alike to any server.

A sequence is a list of steps; it starts with a create. Steps know nothing of the state that they
meet: some are refused, and the refusals are compared like the rest. Deployments stay paused and so
nothing but their status is written by a controller.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Step = dict[str, Any]
"""`verb` is create, apply, put, merge, json or strategic; `manager` a name; `body` what is sent.

The body of a put is a merge patch, applied by the sender to the object that it reads first.
`force` belongs to an apply.
"""

APPLIERS = ("alice", "bob", "kubectl")
UPDATERS = ("carol", "dave", "kubectl-edit", "kubectl-client-side-apply")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
RARELY, SELDOM, OFTEN = 0.04, 0.15, 0.5


def config_map(seed: str, length: int) -> list[Step]:
    """Writes to a ConfigMap."""
    return _sequence(_ConfigMaps(random.Random(seed)), length)


def deployment(seed: str, length: int) -> list[Step]:
    """Writes to a paused Deployment."""
    return _sequence(_Deployments(random.Random(seed)), length)


class _Writer:
    """What both kinds have: metadata, and how a body becomes a step."""

    api_version = ""
    kind = ""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def some(self, choices: dict[str, Callable[[], Any]], probability: float) -> dict[str, Any]:
        return {name: make() for name, make in choices.items() if self.chance(probability)}

    def word(self) -> str:
        return self.rng.choice(("one", "two", "three", ""))

    def words(self, names: str, probability: float = OFTEN) -> dict[str, Any]:
        return self.some(dict.fromkeys(names, self.word), probability)

    def metadata(self) -> dict[str, Any]:
        return self.some(
            {
                "labels": lambda: self.words("lmn"),
                "annotations": lambda: self.words("rst"),
                "finalizers": lambda: self.rng.sample(["kapp.dev/f", "kapp.dev/g"], 2)[
                    : self.rng.randint(0, 2)
                ],
            },
            SELDOM * 2,
        )

    def whole(self) -> dict[str, Any]:
        """An object that can be created."""
        raise NotImplementedError

    def part(self) -> dict[str, Any]:
        """A part of one, to apply."""
        raise NotImplementedError

    def merge_patch(self) -> dict[str, Any]:
        """Changes to one, nulls among them."""
        return self.with_nulls(self.part())

    def json_patch(self) -> list[dict[str, Any]]:
        """Operations, most of which fit."""
        raise NotImplementedError

    def strategic_patch(self) -> dict[str, Any]:
        """A merge patch with directives."""
        raise NotImplementedError

    def with_nulls(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: None if self.chance(RARELY) else self.with_nulls(item)
                for name, item in value.items()
            }
        return value

    def typed(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"apiVersion": self.api_version, "kind": self.kind, **body}


def _sequence(writer: _Writer, length: int) -> list[Step]:
    rng = writer.rng
    first: Step = {
        "verb": "create",
        "manager": rng.choice(UPDATERS),
        "body": writer.typed(writer.whole()),
    }
    if rng.random() < OFTEN:
        first = _apply(writer, writer.whole())
    return [first, *(_step(writer) for _ in range(length - 1))]


def _step(writer: _Writer) -> Step:
    rng = writer.rng
    match rng.choices(("apply", "put", "merge", "json", "strategic"), (9, 4, 3, 3, 4))[0]:
        case "apply":
            return _apply(writer, writer.whole() if writer.chance(OFTEN) else writer.part())
        case "put":
            return _put(writer)
        case "merge":
            verb, body = "merge", _reset(writer, writer.merge_patch())
        case "json":
            verb, body = "json", writer.json_patch()
        case _:
            verb, body = "strategic", writer.strategic_patch()
    return {"verb": verb, "manager": rng.choice(UPDATERS), "body": body}


def _apply(writer: _Writer, body: dict[str, Any]) -> Step:
    return {
        "verb": "apply",
        "manager": writer.rng.choice(APPLIERS),
        "force": writer.chance(OFTEN),
        "body": writer.typed(body),
    }


def _put(writer: _Writer) -> Step:
    body = _reset(writer, writer.merge_patch())
    if writer.chance(RARELY):
        body.setdefault("metadata", {})
        body["metadata"] = {**(body["metadata"] or {}), "resourceVersion": "1"}
    return {"verb": "put", "manager": writer.rng.choice(UPDATERS), "body": body}


def _reset(writer: _Writer, body: dict[str, Any]) -> dict[str, Any]:
    """Now and then, throw away who owns what."""
    if not writer.chance(RARELY):
        return body
    entries = writer.rng.choice((None, [], [{}]))
    return {**body, "metadata": {**(body.get("metadata") or {}), "managedFields": entries}}


class _ConfigMaps(_Writer):
    api_version, kind = "v1", "ConfigMap"

    def whole(self) -> dict[str, Any]:
        return {"metadata": self.metadata(), "data": self.words("abcd")}

    def part(self) -> dict[str, Any]:
        found = self.some(
            {
                "metadata": self.metadata,
                "data": lambda: self.words("abcd"),
                "binaryData": lambda: self.some(
                    {"x": lambda: self.rng.choice(("AA==", "AQ=="))}, 0.7
                ),
            },
            OFTEN,
        )
        if self.chance(RARELY):
            found.setdefault("metadata", {}).setdefault("annotations", {})[LAST_APPLIED] = (
                '{"apiVersion":"v1","kind":"ConfigMap","data":{"a":"one","b":"two"}}'
            )
        return found

    def json_patch(self) -> list[dict[str, Any]]:
        return [self._operation() for _ in range(self.rng.randint(1, 2))]

    def _operation(self) -> dict[str, Any]:
        path = "/data/" + self.rng.choice("abcd")
        return self.rng.choice(
            (
                {"op": "add", "path": path, "value": self.word()},
                {"op": "replace", "path": path, "value": self.word()},
                {"op": "remove", "path": path},
                {"op": "add", "path": "/data", "value": self.words("abcd")},
                {"op": "remove", "path": "/metadata/labels"},
                {"op": "add", "path": "/metadata/annotations", "value": self.words("rst")},
                {"op": "copy", "from": "/data/a", "path": path},
                {"op": "move", "from": "/data/b", "path": path},
                {"op": "test", "path": "/data/a", "value": self.word()},
            )
        )

    def strategic_patch(self) -> dict[str, Any]:
        body = self.merge_patch()
        if self.chance(SELDOM):
            body["data"] = {"$patch": "replace", **self.words("abcd")}
        if self.chance(RARELY):
            body["data"] = {"$patch": "delete"}
        if self.chance(SELDOM):
            body.setdefault("metadata", {})
            body["metadata"] = {
                **(body["metadata"] or {}),
                "$deleteFromPrimitiveList/finalizers": ["kapp.dev/f"],
            }
        return body


class _Deployments(_Writer):
    api_version, kind = "apps/v1", "Deployment"

    def whole(self) -> dict[str, Any]:
        template = self.template()
        template["metadata"] = {"labels": {"app": "web", **self.words("l", SELDOM)}}
        template["spec"]["containers"] = [
            {"image": "busybox:1.36", **self.container("web")},
            *([{"image": "busybox:1.35", **self.container("side")}] if self.chance(SELDOM) else []),
        ]
        selector = {"matchLabels": {"app": "web"}}
        return {
            "metadata": self.metadata(),
            "spec": {**self.spec(), "paused": True, "selector": selector, "template": template},
        }

    def part(self) -> dict[str, Any]:
        found: dict[str, Any] = self.some({"metadata": self.metadata}, OFTEN)
        spec = {**self.spec(), "paused": True}
        if self.chance(0.7):
            spec["template"] = self.template()
            if self.chance(0.7):
                names = ("web", "side")[: self.rng.randint(1, 2)]
                spec["template"]["spec"]["containers"] = [self.container(name) for name in names]
        return {**found, "spec": spec}

    def merge_patch(self) -> dict[str, Any]:
        body = self.with_nulls(self.part())
        spec = body.get("spec")
        body["spec"] = {**(spec or {}), "paused": True}
        return body

    def spec(self) -> dict[str, Any]:
        return self.some(
            {
                "replicas": lambda: self.rng.randint(0, 2),
                "minReadySeconds": lambda: self.rng.randint(0, 2),
                "revisionHistoryLimit": lambda: self.rng.randint(1, 12),
                "strategy": lambda: self.rng.choice(
                    (
                        {"type": "Recreate"},
                        {"type": "RollingUpdate"},
                        {"rollingUpdate": {"maxSurge": self.rng.choice((1, "50%"))}},
                        {},
                    )
                ),
            },
            SELDOM,
        )

    def template(self) -> dict[str, Any]:
        number = self.rng.choice
        spec = self.some(
            {
                "nodeSelector": lambda: self.words("no"),
                "tolerations": lambda: [
                    {
                        "key": number("kq"),
                        "operator": "Exists",
                        **self.some({"effect": lambda: "NoSchedule"}, OFTEN),
                    }
                ],
                "terminationGracePeriodSeconds": lambda: number((1, 30)),
                "serviceAccountName": lambda: number(("default", "other")),
                "imagePullSecrets": lambda: [{"name": name} for name in self.sample("pq")],
                "hostAliases": lambda: [
                    {"ip": f"10.0.0.{n}", "hostnames": self.sample("uv", 1)}
                    for n in self.sample("12")
                ],
                "securityContext": lambda: self.some(
                    {"runAsUser": lambda: number((0, 1000)), "fsGroup": lambda: 5}, OFTEN
                ),
                "initContainers": lambda: [
                    {"name": name, "image": number(("busybox:1.36", "busybox"))}
                    for name in self.sample("ij")
                ],
                "volumes": lambda: [self.volume(name) for name in self.sample("vw")],
                "topologySpreadConstraints": lambda: [
                    {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
                ],
            },
            SELDOM,
        )
        return {
            **self.some(
                {"metadata": lambda: {"annotations": self.words("rs")}},
                SELDOM,
            ),
            "spec": spec,
        }

    def volume(self, name: str) -> dict[str, Any]:
        source = self.rng.choice(
            (
                {"emptyDir": {}},
                {"emptyDir": {"sizeLimit": self.quantity()}},
                {"configMap": {"name": self.rng.choice(("one", "two"))}},
                {"secret": {"secretName": "one", "items": [{"key": "k", "path": "p"}]}},
            )
        )
        return {"name": name, **source}

    def sample(self, names: str, least: int = 0) -> list[str]:
        return self.rng.sample(names, self.rng.randint(least, len(names)))

    def quantity(self) -> str:
        return self.rng.choice(("1", "1000m", "500m", "0.5", "1Gi", "1024Mi", "1e3", "100M"))

    def resources(self) -> dict[str, Any]:
        def some() -> dict[str, Any]:
            return self.some({"cpu": self.quantity, "memory": self.quantity}, OFTEN)

        return self.some({"requests": some}, OFTEN)

    def container(self, name: str) -> dict[str, Any]:
        more = self.some(
            {
                "image": lambda: self.rng.choice(("busybox:1.36", "busybox", "nginx")),
                "args": lambda: self.sample("ab"),
                "command": lambda: ["sleep", self.rng.choice("12")],
                "env": lambda: [self.variable(name) for name in self.sample("EFG")],
                "ports": lambda: [self.port(number) for number in self.sample("123")],
                "resources": self.resources,
                "imagePullPolicy": lambda: self.rng.choice(("Always", "IfNotPresent")),
                "readinessProbe": lambda: self.rng.choice(
                    (
                        {"httpGet": {"path": "/", "port": 80}},
                        {"tcpSocket": {"port": "web"}, "periodSeconds": self.rng.randint(1, 12)},
                        {"exec": {"command": self.sample("xy", 1)}},
                    )
                ),
                "securityContext": lambda: self.some(
                    {
                        "capabilities": lambda: {"add": self.sample("ST", 1)},
                        "privileged": lambda: False,
                    },
                    OFTEN,
                ),
                "envFrom": lambda: [{"configMapRef": {"name": name}} for name in self.sample("cd")],
            },
            SELDOM,
        )
        return {"name": name, **more}

    def variable(self, name: str) -> dict[str, Any]:
        if self.chance(SELDOM):
            return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        return {"name": name, **self.some({"value": self.word}, 0.8)}

    def port(self, number: str) -> dict[str, Any]:
        return {
            "containerPort": int(number),
            **self.some(
                {
                    "protocol": lambda: self.rng.choice(("TCP", "UDP")),
                    "name": lambda: f"p{number}",
                    "hostPort": lambda: int(number),
                },
                SELDOM,
            ),
        }

    def json_patch(self) -> list[dict[str, Any]]:
        return [self._operation() for _ in range(self.rng.randint(1, 2))]

    def _operation(self) -> dict[str, Any]:
        first = "/spec/template/spec/containers/0"
        return self.rng.choice(
            (
                {"op": "add", "path": f"{first}/env", "value": [self.variable("E")]},
                {"op": "add", "path": f"{first}/env/-", "value": self.variable("G")},
                {"op": "remove", "path": f"{first}/env/0"},
                {"op": "remove", "path": f"{first}/env"},
                {"op": "replace", "path": f"{first}/image", "value": "busybox:1.34"},
                {"op": "add", "path": f"{first}/args", "value": self.sample("ab")},
                {"op": "add", "path": f"{first}/ports", "value": [self.port("1"), self.port("2")]},
                {"op": "remove", "path": f"{first}/ports/0"},
                {"op": "replace", "path": "/spec/replicas", "value": self.rng.randint(0, 2)},
                {"op": "remove", "path": "/spec/replicas"},
                {"op": "remove", "path": "/spec/strategy"},
                {
                    "op": "add",
                    "path": "/spec/template/spec/containers/-",
                    "value": {"image": "nginx", **self.container("side")},
                },
                {"op": "remove", "path": "/spec/template/spec/containers/1"},
                {"op": "add", "path": "/metadata/labels", "value": self.words("lmn")},
                {"op": "add", "path": "/spec/template/spec/volumes", "value": [self.volume("v")]},
                {"op": "remove", "path": "/spec/template/spec/volumes"},
            )
        )

    def strategic_patch(self) -> dict[str, Any]:
        body = self.merge_patch()
        pod: dict[str, Any] = {}
        containers: list[dict[str, Any]] = [
            self.with_nulls({**self.container("web")}) | {"name": "web"}
        ]
        if self.chance(SELDOM):
            containers.append({"name": "side", "$patch": "delete"})
        elif self.chance(SELDOM):
            containers.append({"image": "nginx", **self.container("side")})
            pod["$setElementOrder/containers"] = [{"name": "side"}, {"name": "web"}]
        if self.chance(SELDOM):
            containers[0]["env"] = [{"name": "E", "$patch": "delete"}, self.variable("F")]
        if self.chance(SELDOM):
            containers[0]["ports"] = [{"containerPort": 1, "$patch": "delete"}]
        if self.chance(SELDOM):
            containers[0]["env"] = [{"$patch": "replace"}, self.variable("F")]
        if self.chance(SELDOM):
            pod["volumes"] = [{**self.volume("v"), "$retainKeys": ["name", "emptyDir"]}]
        if self.chance(SELDOM):
            body["spec"]["strategy"] = {"$retainKeys": ["type"], "type": "Recreate"}
        body["spec"]["template"] = {"spec": {**pod, "containers": containers}}
        return body
