"""Every expression of kubectl's documentation, and of client-go's own tests, prints alike.

The judge is kubectl on the same object. client-go's tests also have lists and numbers as the whole
input, which kubectl never has; here they are fields. Sources of the expressions:
https://kubernetes.io/docs/reference/kubectl/jsonpath/, the kubectl quick reference, and
k8s.io/client-go/util/jsonpath/{jsonpath,parser}_test.go.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kapp.machinery import jsonpath
from kapp.machinery.jsonpath import JsonPathError

from .test_jsonpath import kubectl


def pod(name: str, phase: str, *containers: str, **more: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": c, "image": f"{c}:1"} for c in containers]}
    return {
        "kind": "Pod",
        "metadata": {"name": name, **more},
        "spec": spec,
        "status": {"phase": phase},
    }


LETTERS = "abcdef"
OBJECT: dict[str, Any] = {
    "apiVersion": "example.dev/v1",
    "kind": "Shelf",
    "metadata": {"name": "all", "labels": {"zz": "zz", "web/html": "15", "k8s-app": "20"}},
    "name.type": "dotted",
    "nodes": [
        {
            "kind": "None",
            "metadata": {
                "name": "127.0.0.1",
                "labels": {"kubernetes.io/hostname": "127.0.0.1"},
                "annotations": {"color": "blue", "build.dev/number": "7"},
            },
            "spec": {"containers": [{"name": "one", "env": [{"name": "E", "value": "v"}]}]},
            "status": {
                "ready": True,
                "capacity": {"cpu": "4"},
                "startTime": "2026-01-01T00:00:00Z",
                "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{"restartCount": 3}],
                "nodeInfo": {"osImage": "()"},
            },
        },
        {
            "kind": "None",
            "metadata": {"name": "127.0.0.2"},
            "spec": {"unschedulable": True, "containers": [{"name": "two"}, {"name": "three"}]},
            "status": {
                "ready": False,
                "capacity": {"cpu": "8"},
                "addresses": [
                    {"type": "LegacyHostIP", "address": "127.0.0.2"},
                    {"type": "ExternalIP", "address": "127.0.0.3"},
                ],
                "conditions": [{"type": "Ready", "status": "False"}],
                "nodeInfo": {"osImage": 'Linux ("") {[()]}'},
            },
        },
    ],
    "pods": [
        pod("pod1", "Running", "x", "y", annotations={"color": "blue"}),
        pod("pod2", "Pending", "z", annotations={}),
        pod("pod3", "Running"),
    ],
    "users": [
        {"name": "myself", "user": {}},
        {"name": "e2e", "user": {"username": "admin", "password": "secret"}},
    ],
    "empty": [],
    "bools": [True, False, True, False],
    "integers": [1, 2, 3, 4],
    "floats": [1.0, 2.2, 3.3, 4.0],
    "strings": ["one", "two", "three", "four"],
    "mixed": [True, "one", 1, 1.1],
    "maps": [{"name": n, "value": v} for n, v in zip("abcd", (1, 2.02, 3.03, 4.04), strict=True)],
    "prices": [2, 6, 3, 7],
    "points": [
        {"id": "i1", "x": 4, "y": -5},
        {"id": "i2", "x": -2, "z": 1},
        {"id": "i3", "x": None},
    ],
    "letters": [{"name": letter} for letter in LETTERS],
    "data": {"ca.crt": "certificate"},
    "store": {
        "Name": "shop",
        "Book": [
            {"Category": "reference", "Author": "Rees", "Title": "Sayings", "Price": 8.95},
            {"Category": "fiction", "Author": "Waugh", "Title": "Sword", "Price": 12.99},
            {"Category": "fiction", "Author": "Melville", "Title": "Whale", "Price": 8.99},
        ],
        "Bicycle": [
            {"Color": "red", "Price": 19.95, "IsNew": True},
            {"Color": "green", "Price": 20.01, "IsNew": False},
        ],
        "Employees": {"jason": "manager", "dan": "clerk"},
    },
}

SLICES = ("[0]", "[-1]", "[-2]", "[0:2]", "[:2]", "[:4:2]", "[::2]", "[1::2]", "[1:3]", "[1:-1]")
LISTS = ("bools", "integers", "floats", "strings", "mixed", "maps")
POSITIONS = (
    *("[0]", "[0:0]", "[0:-1]", "[-1]", "[-1:]", "[-2]", "[-2:]", "[-3]", "[-4:]", "[-6:]"),
    *("[0:]", "[0:6:]", "[0:6:1]", "[1:4:2]", "[1:4:3]", "[1:4:4]", "[0:6:2]", "[0:6:3]"),
    *("[0:6:5]", "[0:6:6]", "[-6:-6]"),
)
THREE_DEEP = (
    '{range .pods[*]}{.metadata.name}{"~"}{range @.spec.containers[*]}{.name}{":"}'
    '{range @.another[*]}{.name}{","}{end}{"+"}{end}{"#"}{end}'
)
TWO_RANGES = (
    r'{range .pods[*]}{.metadata.name}{"\t"}{range @.spec.containers[*]}{.name}{" "}{end}{"\t"}'
    r'{range @.spec.containers[*]}{.image}{" "}{end}{"\n"}{end}'
)
PRINTED = [
    *(f"{{ .{name} }}" for name in LISTS),
    *(f"{{ .{name}{part} }}" for name in LISTS for part in SLICES),
    *(f"{{.letters{part}.name}}" for part in POSITIONS),
    # the documentation's table
    "kind is {.kind}",
    "{.kind}",
    "{['kind']}",
    r"{['name\.type']}",
    "{.nodes[*].metadata.name}",
    "{.users[0].name}",
    "{.nodes[*]['metadata.name', 'status.capacity']}",
    '{.users[?(@.name=="e2e")].user.password}',
    "{range .nodes[*]}[{.metadata.name}, {.status.capacity}] {end}",
    "{range .nodes[*]}{.metadata.name}{'\\t'}{end}",
    r"{.nodes[0].metadata.labels.kubernetes\.io/hostname}",
    # its examples, and the quick reference's
    "{@.kind}",
    "{.nodes[0]}",
    "{.nodes[0].metadata.name}",
    r'{range .nodes[*]}{.metadata.name}{"\t"}{.status.startTime}{"\n"}{end}',
    "{.nodes[*].status.addresses[?(@.type=='ExternalIP')].address}",
    "{.nodes[?(@.spec.unschedulable!=true)].metadata.name}",
    "{.nodes[*].status.containerStatuses[0].restartCount}",
    "{range .nodes[*]}{.metadata.name}:{range @.status.conditions[*]}{.type}={@.status};{end}{end}",
    r"{.data.ca\.crt}",
    r"{.nodes[*].metadata.annotations.build\.dev/number}",
    "{.nodes[*].spec.containers[*].env[*].value}",
    r'{range .nodes[*]}{range .status.addresses[*]}{.address}{"\n"}{end}{end}',
    # client-go's tests of evaluation
    "{.prices[?(@<5)]}",
    '{"{"}',
    "{.integers[0,1,3]}",
    "{$.metadata.labels.web/html}",
    "{$.store.Employees.jason}",
    "{.metadata.labels.k8s-app}",
    "{.store.Bicycle[*].Color}",
    '{range .store.Bicycle[*]}{ "{" }{ @.Color }{ "} " }{end}',
    "{.store.Bicycle}",
    '{range .store.Bicycle[*]}{ @ }{ " " }{end}',
    "{.store.Book[-1:]}",
    "{.store.Bicycle[?(@.IsNew==true)]}",
    "{.store.Book[?(@.Price<9.0)].Title}",
    "{.hello}",
    "{.points[?(@.z)].id}",
    "{.points[0]['id']}",
    "{.points[-1]['x']}",
    "{range .nodes[*]}{.metadata.name}, {end}{.kind}",
    r'{.nodes[?(@.metadata.labels.kubernetes\.io/hostname=="127.0.0.1")].kind}',
    "{.nodes[?(@..ready==true)].metadata.name}",
    "{range .empty[*]}{.metadata.name}{end}",
    '{range .empty[*]}{.metadata.name}{":"}{range @.spec.containers[*]}{.name}{","}{end}{"+"}{end}',
    '{range .pods[*]}{.metadata.name}{":"}{range @.spec.containers[*]}{.name}{","}{end}{"+"}{end}',
    THREE_DEEP,
    TWO_RANGES,
    '{.pods[?(@.metadata.annotations.color=="blue")].metadata.name}',
    r'{range .pods[?(.status.phase=="Running")]}{.metadata.name}{" is Running\n"}{end}',
    "{.letters[5:5].name}",
    "{.letters[7:7].name}",
    "{.letters[-7:-7].name}",
    # client-go's tests of parsing
    "hello jsonpath",
    "hello {.jsonpath}",
    "hello {['kind']}",
    "{.store['Name', 'Book']}",
    "{range .nodes}{.metadata.name},{end}",
    '{.nodes[?(@.status.nodeInfo.osImage == "()")].metadata.name}',
    r'{.nodes[?(@.status.nodeInfo.osImage == "(\"\")")].metadata.name}',
    '{.nodes[?(@.status.nodeInfo.osImage == "())(")].metadata.name}',
    "{.nodes[?(@.status.nodeInfo.osImage == 'Linux')].metadata.name}",
    '{.nodes[?(@.status.nodeInfo.osImage == "{[()]}")].metadata.name}',
    """{.nodes[?(@.status.nodeInfo.osImage == "''")].metadata.name}""",
    """{.nodes[?(@.status.nodeInfo.osImage == '""')].metadata.name}""",
    r"""{.nodes[?(@.status.nodeInfo.osImage == '\\\'')].metadata.name}""",
]

# kubectl visits the keys of a map in random order.
IN_ANY_ORDER = [
    "{..name}",
    "{.store..Price}",
    "{.store...Price}",
    "{.store..Book[2]}",
    "{.store.Employees.*}",
    "{.users[*].user.*}",
    "{.prices..}",
    "{.store.Bicycle[0].*}",
]

REFUSED = [
    "{hello}",
    "{.metadata.labels[0]}",
    "{.store.Book[?(@.Price<>10)]}",
    "{range .store.Employees.*}{@}{end}{end}",
    "{............................................................Price}",
    "{.letters[-1:0].name}",
    "{.letters[-7].name}",
    "{.letters[-7:].name}",
    "{.letters[6].name}",
    "{.letters[3:1].name}",
    "{.letters[-1:-2].name}",
    "{.letters[0:6:0].name}",
    "{.letters[0:6:-1].name}",
    r"{\\\}",
    "{.hello",
    "{*}",
    "{+12.3.0}",
    "{[1}",
    "{[?(.price]}",
    "{........}",
    # the documentation's example of what does not work
    "{.nodes[?(@.metadata.name=~/^test$/)].metadata.name}",
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "object.json"
    path.write_text(json.dumps(OBJECT))
    return path


def rendered(template: str) -> str:
    return jsonpath.compile(template).render(OBJECT)


async def test_documented_expressions_print_what_kubectl_prints(file: Path) -> None:
    separator = "\x1e"
    code, out, err = await kubectl(file, separator.join((*PRINTED, *IN_ANY_ORDER)))
    assert code == 0, err
    printed = dict(zip((*PRINTED, *IN_ANY_ORDER), out.split(separator), strict=True))
    assert {t: rendered(t) for t in PRINTED} == {t: printed[t] for t in PRINTED}
    for template in IN_ANY_ORDER:
        assert sorted(rendered(template).split()) == sorted(printed[template].split())


@pytest.mark.slow
async def test_refused_expressions_are_refused_in_the_words_of_kubectl(file: Path) -> None:
    running = asyncio.Semaphore(2)

    async def words(template: str) -> str:
        async with running:
            code, _, err = await kubectl(file, template)
        assert code == 1, template
        return err.partition("\n")[0].removeprefix("error: ").partition(". Printing more")[0]

    def ours(template: str) -> str:
        with pytest.raises(JsonPathError) as caught:
            rendered(template)
        return caught.value.message

    said = await asyncio.gather(*map(words, REFUSED))
    assert {t: ours(t) for t in REFUSED} == dict(zip(REFUSED, said, strict=True))
