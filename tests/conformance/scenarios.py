"""The scenarios: what a user does with kubectl, step by step, on every server the same.

Each takes a Transcript. What it prints is compared between servers, never with recorded text:

    everywhere   all servers, kapp's custom kind and the clusters' ConfigMap alike
    custom       kinds that kubectl does not know: kapp's, and a real cluster's custom resources
    builtin      kinds that kubectl knows: the embedded and the real cluster
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from .subjects import Transcript

Scenario = Callable[[Transcript], None]
EVERYWHERE: list[Scenario] = []
CUSTOM: list[Scenario] = []
BUILTIN: list[Scenario] = []


def _in(group: list[Scenario]) -> Callable[[Scenario], Scenario]:
    def register(scenario: Scenario) -> Scenario:
        group.append(scenario)
        return scenario

    return register


everywhere, custom, builtin = _in(EVERYWHERE), _in(CUSTOM), _in(BUILTIN)


def first_column(text: str) -> str:
    """A table's names: each kind has other columns after them."""
    return "".join(f"{line.split()[0]}\n" for line in text.splitlines() if line.strip())


def with_labels(text: str) -> str:
    """The first and the last column of a table."""
    return "".join(f"{row[0]} {row[-1]}\n" for row in map(str.split, text.splitlines()) if row)


def _objects(k: Transcript, case: str) -> None:
    """Three of them, with labels; their order by name is not their order by data."""
    for name, number, labels in (
        ("a-one", "30", {"tier": "front"}),
        ("a.two", "10", {"tier": "back", "size": "large"}),
        ("b-three", "20", {}),
    ):
        annotations = {"x.dev/note": f"it's {name}", "other": "x"} if name == "a.two" else {}
        manifest = k.manifest(
            f"{case}-{name}",
            {"number": number, "a.b-c": "dotted", "text": f"line of {name}\nnext"},
            labels={"case": case, **labels},
            annotations=annotations,
        )
        k.quiet("create", "-f", "-", stdin=manifest)


def changed_lines(text: str) -> str:
    """A diff without what stands around the changes."""
    return "".join(f"{line}\n" for line in text.splitlines() if line[:1] in "+-")


def by_manager(text: str) -> str:
    """Objects with their managers by name: their order depends on the second they wrote in."""
    found = json.loads(text)
    for obj in found.get("items", [found]):
        entries = obj["metadata"].get("managedFields", [])
        entries.sort(key=lambda entry: (entry["manager"], entry["operation"]))
    return f"{json.dumps(found, indent=1)}\n"


OUTPUTS = (
    "json",
    "yaml",
    "name",
    "custom-columns=NAME:.metadata.name,N:.data.number,NOTE:.metadata.annotations.x\\.dev/note",
    "custom-columns=ALL:.data,NONE:.status.phase",
    "jsonpath={.items[*].metadata.name}",
    r"jsonpath={range .items[*]}{.metadata.name}{'\t'}{.data.number}{'\n'}{end}",
    r"jsonpath={.items[?(@.data.number>='20')].metadata.name}",
    r"jsonpath={.items[?(@.metadata.labels.tier=='back')].metadata.annotations.x\.dev/note}",
    r"jsonpath={.items[0].data['a\.b-c']}",
    "jsonpath={.items[-1:].metadata.name} {.items[0:2].data.number} {.items[0]['kind','data']}",
    "jsonpath={.items[0].data}",
    "jsonpath={..number}",
    "jsonpath={.items[7].metadata.name}",
    "jsonpath={.items[0].nothing}",
    "jsonpath={.items[0",
    "jsonpath-as-json={.items[*].data}",
    '{{range .items}}{{.metadata.name}} {{index .data "number"}}{{"\\n"}}{{end}}',
    '{{range $i, $o := .items}}{{if $i}}, {{end}}{{$o.metadata.name | printf "%q"}}{{end}}',
    "{{len .items}} {{with index .items 1}}{{.data.number}}{{else}}none{{end}}",
    "{{.items.nothing}}",
    "wrong",
)


@everywhere
def get_in_every_format(k: Transcript) -> None:
    _objects(k, "formats")
    for output in OUTPUTS:
        form = f"go-template={output}" if output.startswith("{{") else output
        k("get", "CM", "-l", "case=formats", "-o", form)
    k(
        "get",
        "CM/formats-a-one",
        "CM/formats-b-three",
        "-o",
        "json",
        "--show-managed-fields",
        view=by_manager,
    )
    k("get", "CM", "formats-a.two", "-o", "yaml")
    k("get", "CM/formats-a-one", "-o", "jsonpath={.data.number} {.kind}")


@everywhere
def get_tables(k: Transcript) -> None:
    _objects(k, "tables")
    get = ("get", "CM", "-l", "case=tables")
    for options in (
        (),
        ("-o", "wide"),
        ("--sort-by=.data.number",),
        ("--sort-by={.metadata.name}", "--no-headers"),
        ("--chunk-size=2",),
        ("--chunk-size=1", "-o", "name"),
        ("--server-print=false",),
    ):
        k(*get, *options, view=first_column)
    k(*get, "--show-labels", view=with_labels)
    k(*get, "-L", "tier", view=_matches("TIER|front|back"))
    k("get", "CM/tables-a-one", "CM/missing", "CM/tables-b-three", view=first_column)
    k("get", "CM", "tables-a-one", "missing", "--ignore-not-found", view=first_column)
    k("get", "CM", "missing")
    k("get", "CM/missing", "--ignore-not-found", "-o", "yaml")
    k(*get, "--sort-by=.nothing")


@everywhere
def selectors(k: Transcript) -> None:
    _objects(k, "selectors")
    for selector in (
        "tier",
        "!tier",
        "tier=front",
        "tier!=front",
        "tier in (front, back),size notin (small)",
        "tier==back",
        "tier=front,tier=back",
        "tier in ()",
        "!!",
        "a b",
        "-x=y",
    ):
        k("get", "CM", "-l", f"case=selectors,{selector}", "-o", "name")
    field = ("--field-selector", "data.number=10")
    k("get", "CM", "-l", "case=selectors", *field, by_kind=True)
    for selector in (
        "metadata.name=selectors-a-one",
        "metadata.name!=selectors-a-one",
        "metadata.name=selectors-a-one,metadata.name=selectors-b-three",
        "metadata.name",
        "metadata.name in (selectors-a-one)",
    ):
        k("get", "CM", "-l", "case=selectors", "--field-selector", selector, "-o", "name")


@everywhere
def watching(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("first", labels={"case": "watch"}))
    get = ("get", "CM", "-l", "case=watch", "-w")
    forms: dict[tuple[str, ...], Callable[[str], str]] = {
        (): first_column,
        ("-o", "name", "--output-watch-events"): str,
        ("-o", "jsonpath={.metadata.name}={.data.key}{'\\n'}"): str,
        ("-o", "json"): str,
    }
    watches = [k.begin(*get, *form) for form in forms]
    for watch in watches:
        watch.until("first")  # listed: what follows is seen
    k.quiet("create", "-f", "-", stdin=k.manifest("second", labels={"case": "watch"}))
    k.quiet("patch", "CM/second", "--type=merge", "-p", '{"data":{"key":"changed"}}')
    # Leaving the selection looks like a deletion, and so does one.
    k.quiet("label", "CM/second", "case-", "other=yes")
    k.quiet("delete", "CM/first")
    k.quiet("create", "-f", "-", stdin=k.manifest("last", labels={"case": "watch"}))
    for watch, view in zip(watches, forms.values(), strict=True):
        watch.until("last", view=view)


@everywhere
def watching_only(k: Transcript) -> None:
    """Nothing is printed of what was there before, so changes of `tick` tell that it has begun."""
    k.quiet("create", "-f", "-", stdin=k.manifest("before", labels={"case": "only"}))
    k.quiet("create", "-f", "-", stdin=k.manifest("tick", labels={"case": "only"}))
    watch = k.begin("get", "CM", "-l", "case=only", "--watch-only", "-o", "name")
    for number in range(200):
        k.quiet("annotate", "CM/tick", f"number={number}", "--overwrite")
        if watch.has_printed("tick"):
            break
    k.quiet("create", "-f", "-", stdin=k.manifest("after", labels={"case": "only"}))
    watch.until("after", view=lambda text: "\n".join(dict.fromkeys(text.splitlines())))


@everywhere
def waiting(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("waited"))
    k("wait", "CM/waited", "--for=jsonpath={.data.key}=value", "--timeout=20s")
    k("wait", "CM/waited", "--for=jsonpath={.data.key}", "--timeout=20s")
    k("wait", "CM/waited", "--for=jsonpath={.data.key}=other", "--timeout=100ms")
    k("wait", "CM/waited", "--for=condition=Ready", "--timeout=100ms")
    k("wait", "CM/waited", "--for=create", "--timeout=20s")
    k("wait", "CM/missing", "--for=delete", "--timeout=20s")
    k("wait", "CM/missing", "--for=condition=Ready", "--timeout=1s")
    k("wait", "CM/waited", "--for=delete", "--timeout=100ms", any_words=True)
    changed = k.begin("wait", "CM/waited", "--for=jsonpath={.data.key}=new", "--timeout=30s")
    k.quiet("patch", "CM/waited", "--type=merge", "-p", '{"data":{"key":"new"}}')
    changed.end()
    deleted = k.begin("wait", "CM/waited", "--for=delete", "--timeout=30s")
    k.quiet("delete", "CM/waited", "--wait=false")
    deleted.end()


@everywhere
def creating(k: Transcript) -> None:
    create = ("create", "-f", "-")
    k(*create, stdin=k.manifest("made", labels={"case": "create"}))
    k(*create, stdin=k.manifest("made"))
    k(*create, stdin=k.manifest("", generateName="gen-", labels={"case": "create"}))
    k(*create, "-o", "name", stdin=k.manifest("", generateName="gen-", labels={"case": "create"}))
    k("get", "CM", "-l", "case=create", "-o", "name")
    k(*create, "--dry-run=server", "-o", "yaml", stdin=k.manifest("dry"))
    k(*create, "--dry-run=client", "-o", "yaml", stdin=k.manifest("dry"))
    k(*create, "--dry-run=server", stdin=k.manifest("made"))
    k("get", "CM", "dry")
    k(*create, "--save-config", stdin=k.manifest("saved"))
    k("get", "CM", "saved", "-o", "json", "--show-managed-fields", view=by_manager)
    k(*create, stdin=k.manifest("labelled", labels={"a b": "c"}))
    k(*create, stdin=k.manifest("labelled", labels={"a": "-x-"}))
    k(*create, stdin=k.manifest("annotated", annotations={"a b": "c"}))
    k(*create, stdin=k.manifest(""))
    k(*create, stdin=k.manifest("owned", ownerReferences=[{"kind": "ConfigMap", "name": "made"}]))
    for validate in ("strict", "warn", "ignore"):
        unknown = k.manifest(f"unknown-{validate}", labels={"case": "create"}, top={"nope": 1})
        k(*create, f"--validate={validate}", stdin=unknown)
    k("get", "CM/unknown-warn", "-o", "jsonpath={.nope}")
    k(*create, "--validate=strict", stdin=k.manifest("made", wrong=True))
    k(*create, stdin=k.manifest("typed", top={"data": {"a": 1}}), by_kind=True)
    k(*create, stdin=k.manifest("typed", top={"data": ["a"]}), by_kind=True)


@everywhere
def applying(k: Transcript) -> None:
    apply = ("apply", "-f", "-")
    one = k.manifest("applied", {"a": "1", "b": "2"}, labels={"l": "1"})
    two = k.manifest("applied", {"a": "1", "c": "3"})
    k(*apply, "--dry-run=server", stdin=one)
    k(*apply, "--dry-run=client", stdin=one)
    k(*apply, stdin=one)
    k(*apply, stdin=one)
    k("patch", "CM/applied", "--type=merge", "-p", '{"data":{"other":"kept"}}')
    k(*apply, "--dry-run=server", "-o", "yaml", stdin=two)
    k("diff", "-f", "-", stdin=two, view=changed_lines)
    k(*apply, stdin=two)
    k("diff", "-f", "-", stdin=two, view=changed_lines)
    k("get", "CM/applied", "-o", "json", "--show-managed-fields", view=by_manager)
    k("apply", "view-last-applied", "CM/applied")
    k("apply", "set-last-applied", "-f", "-", stdin=one)
    k("apply", "view-last-applied", "CM/applied", "-o", "json")
    both = "\n---\n".join([one, k.manifest("applied-too")])
    k(*apply, stdin=both)
    k(*apply, "-o", "jsonpath={.items[*].metadata.name}", stdin=both)
    stale = k.manifest("applied", {"a": "9"}, resourceVersion="1")
    k(*apply, stdin=stale)
    k(*apply, stdin=k.manifest("applied", top={"nope": {}}))


@everywhere
def applying_server_side(k: Transcript) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    show = ("get", "CM/shared", "-o", "json", "--show-managed-fields")
    one = k.manifest("shared", {"a": "1", "b": "2"}, labels={"l": "1"}, finalizers=["x.dev/hold"])
    two = k.manifest("shared", {"a": "2", "c": "3"}, labels={"l": "2"})
    k(*apply, "--dry-run=server", "-o", "yaml", stdin=one)
    k(*apply, stdin=one)
    k(*apply, stdin=one)
    k(*show, view=by_manager)
    k(*apply, "--field-manager=other", stdin=two)
    k(*apply, "--field-manager=other", stdin=k.manifest("shared", {"a": "1", "c": "3"}))
    k(*show, view=by_manager)
    k("diff", "--server-side", "-f", "-", "--field-manager=other", stdin=two)
    forced = ("diff", "--server-side", "--force-conflicts", "-f", "-", "--field-manager=other")
    k(*forced, stdin=two, view=changed_lines)
    k(*apply, "--field-manager=other", "--force-conflicts", stdin=two)
    k(*show, view=by_manager)
    k(*apply, stdin=one)
    k(*apply, stdin=k.manifest("shared", {"b": "2"}))
    k(*show, view=by_manager)
    k("label", "CM/shared", "l=3", "--overwrite", "--field-manager=third")
    k(*apply, "--field-manager=other", stdin=two)
    k(*show, view=by_manager)
    k(*apply, "--field-manager=" + "x" * 129, stdin=one)
    k(*apply, "--validate=strict", stdin=k.manifest("shared", top={"nope": 1}))
    k("patch", "CM/shared", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    k("delete", "CM/shared")


@everywhere
def from_client_to_server_side(k: Transcript) -> None:
    one = k.manifest("moved", {"a": "1", "b": "2"})
    k("apply", "-f", "-", stdin=one)
    two = k.manifest("moved", {"a": "9"})
    k("apply", "--server-side", "-f", "-", stdin=two)
    k("get", "CM/moved", "-o", "json", "--show-managed-fields", view=by_manager)
    k("apply", "-f", "-", stdin=one)
    k("get", "CM/moved", "-o", "json", "--show-managed-fields", view=by_manager)


@everywhere
def patching(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("patched", {"a": "1", "b": "2"}))
    patch = ("patch", "CM/patched")
    for body in (
        '{"data":{"a":null,"c":"3"}}',
        '{"data":{"c":"3"}}',
        '{"metadata":{"labels":{"x":"y"}},"data":null}',
        '{"metadata":{"name":"other"}}',
        '{"metadata":{"uid":"00000000-0000-0000-0000-000000000000"}}',
        '{"metadata":{"resourceVersion":"1"}}',
        '{"nope":1}',
        "[]",
    ):
        k(*patch, "--type=merge", "-p", body)
    k(*patch, "--type=merge", "-p", '{"data":{"d":4}}', by_kind=True)
    k(*patch, "--type=merge", "-p", "{", any_words=True)
    k("get", "CM/patched", "-o", "json")
    for body in (
        '[{"op":"add","path":"/data","value":{"a":"1"}},{"op":"test","path":"/data/a","value":"1"}]',
        '[{"op":"replace","path":"/data/a","value":"2"},{"op":"add","path":"/metadata/annotations/x.dev~1c","value":"x"}]',
        '[{"op":"copy","from":"/data/a","path":"/data/copy"},{"op":"move","from":"/data/a","path":"/data/m"}]',
        '[{"op":"test","path":"/data/copy","value":"wrong"}]',
        '[{"op":"remove","path":"/data/missing"}]',
        '[{"op":"replace","path":"/data/missing/deep","value":"x"}]',
        '[{"op":"jump","path":"/data"}]',
        '[{"op":"add","path":"/metadata/annotations","value":{"n":"1"}}]',
        "{}",
    ):
        k(*patch, "--type=json", "-p", body)
    k(*patch, "--type=merge", "-p", '{"data":{"dry":"run"}}', "--dry-run=server", "-o", "yaml")
    k(*patch, "--type=merge", "-p", '{"data":{"dry":"run"}}', "--dry-run=client", "-o", "json")
    k(*patch, "--type=merge", "-p", '{"data":{"m":"x"}}', "--field-manager=somebody")
    k(*patch, "--type=wrong", "-p", "{}")
    k(*patch, "--subresource=status", "--type=merge", "-p", "{}", by_kind=True)
    k("patch", "CM/missing", "--type=merge", "-p", "{}")
    k("get", "CM/patched", "-o", "json", "--show-managed-fields", view=by_manager)


@everywhere
def editing(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("edited", {"key": "old"}))
    k("edit", "CM/edited", editor="sed -i s/old/new/")
    k("edit", "CM/edited", editor="true")
    k("edit", "CM/edited", "--output-patch", editor="sed -i s/new/newer/")
    k("edit", "CM/missing", editor="true")
    k("get", "CM/edited", "-o", "json", "--show-managed-fields", view=by_manager)


@everywhere
def labelling(k: Transcript) -> None:
    for name in ("l-one", "l-two"):
        k.quiet("create", "-f", "-", stdin=k.manifest(name, labels={"case": "label"}))
    k("label", "CM/l-one", "a=1", "b=2")
    k("label", "CM/l-one", "a=1")
    k("label", "CM/l-one", "a=2")
    k("label", "CM/l-one", "a=2", "--overwrite")
    k("label", "CM/l-one", "a-", "missing-")
    k("label", "CM/l-one", "--list", view=_sorted)
    k("label", "CM", "-l", "case=label", "all=yes")
    k("label", "CM/l-one", "c=3", "--resource-version=1")
    k("label", "CM/l-one", "bad value=1")
    k("label", "CM/l-one", "a=bad value")
    k("label", "CM/l-one", "a=9", "--dry-run=server", "-o", "yaml")
    k("label", "CM/missing", "a=9")
    k("annotate", "CM/l-two", "note=any text", "dotted.dev/x=1")
    k("annotate", "CM/l-two", "note=other")
    k("annotate", "CM/l-two", "note=other", "--overwrite")
    k("annotate", "CM/l-two", "note-")
    k("annotate", "CM/l-two", "--list", view=_sorted)
    k("get", "CM", "-l", "case=label", "-o", "json", "--show-managed-fields", view=by_manager)


@everywhere
def replacing(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("replaced", {"a": "1"}, labels={"x": "y"}))
    old = k.quiet("get", "CM/replaced", "-o", "json")
    k("replace", "-f", "-", stdin=old.replace('"a": "1"', '"a": "2"'))
    k("replace", "-f", "-", stdin=old.replace('"a": "1"', '"a": "3"'))
    k("replace", "-f", "-", "--dry-run=server", stdin=old)
    fresh = k.quiet("get", "CM/replaced", "-o", "json")
    k("replace", "-f", "-", "--dry-run=server", stdin=fresh.replace('"a": "2"', '"a": "4"'))
    other = json.loads(fresh)
    other["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    k("replace", "-f", "-", stdin=json.dumps(other))
    k("replace", "-f", "-", stdin=k.manifest("missing"))
    k("get", "CM/replaced", "-o", "json", "--show-managed-fields", view=by_manager)
    k("replace", "--force", "-f", "-", stdin=k.manifest("replaced", {"b": "1"}))
    k("get", "CM/replaced", "-o", "json", "--show-managed-fields", view=by_manager)


@everywhere
def deleting(k: Transcript) -> None:
    def make(name: str, **metadata: object) -> None:
        manifest = k.manifest(name, labels={"case": "delete"}, **metadata)
        k.quiet("create", "-f", "-", stdin=manifest)

    for name in ("d-a", "d-b", "d-c", "d-d", "d-e", "d-f"):
        make(name)
    k("delete", "CM/d-a")
    k("delete", "CM/d-a")
    k("delete", "CM/d-a", "--ignore-not-found")
    k("delete", "CM", "d-b", "d-missing", "d-c")
    k("delete", "CM/d-d", "--dry-run=server")
    k("delete", "CM/d-d", "--dry-run=client")
    k("delete", "CM/d-d", "--now", "-o", "name")
    k("delete", "CM", "-l", "case=nothing")
    k("delete", "CM", "-l", "case=delete")
    make("d-held", finalizers=["x.dev/hold"])
    k("delete", "CM/d-held", "--wait=false")
    k("delete", "CM/d-held", "--timeout=100ms")
    k("get", "CM/d-held", "-o", "json")
    k("patch", "CM/d-held", "--type=merge", "-p", '{"metadata":{"finalizers":["y.dev/new"]}}')
    k("patch", "CM/d-held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    k("get", "CM/d-held")
    make("d-g")
    k("delete", "--raw", f"{_path(k)}/d-g")
    k("delete", "--raw", f"{_path(k)}/d-g")


@everywhere
def deleting_all(k: Transcript) -> None:
    for name in ("all-a", "all-b"):
        k.quiet("create", "-f", "-", stdin=k.manifest(name, labels={"case": "all"}))
    k("delete", "CM", "--field-selector=metadata.name=all-a")
    k("delete", "CM", "--all", "--dry-run=server", view=_lines("all-"))
    for name in ("all-a", "all-c"):
        k.quiet("create", "-f", "-", stdin=k.manifest(name, labels={"case": "all"}))
    k("delete", "--raw", f"{_path(k)}?labelSelector=case%3Dall", view=_names)
    k("get", "CM", "-l", "case=all", "-o", "name")


@everywhere
def owners_and_propagation(k: Transcript) -> None:
    for cascade in ("background", "foreground", "orphan"):
        k.quiet("create", "-f", "-", stdin=k.manifest(f"owner-{cascade}"))
        uid = k.quiet("get", f"CM/owner-{cascade}", "-o", "jsonpath={.metadata.uid}")
        owner = {
            "apiVersion": k.subject.api_version,
            "kind": "ConfigMap",
            "name": f"owner-{cascade}",
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        child = f"child-{cascade}"
        k.quiet("create", "-f", "-", stdin=k.manifest(child, ownerReferences=[owner]))
        if cascade == "foreground":
            # held, so that the owner is seen waiting for it
            hold = '{"metadata":{"finalizers":["x.dev/hold"]}}'
            k.quiet("patch", f"CM/{child}", "--type=merge", "-p", hold)
            k("delete", f"CM/owner-{cascade}", "--cascade=foreground", "--wait=false")
            state = "jsonpath={.metadata.finalizers} {.metadata.deletionTimestamp}"
            k.eventually("get", f"CM/{child}", "-o", state, until=lambda text: "Z" in text)
            k("get", f"CM/owner-{cascade}", f"CM/{child}", "-o", "yaml")
            k.quiet("patch", f"CM/{child}", "--type=json", "-p", _REMOVE_FINALIZERS)
            k("wait", f"CM/owner-{cascade}", "--for=delete", "--timeout=30s")
        else:
            k("delete", f"CM/owner-{cascade}", f"--cascade={cascade}")
        if cascade == "orphan":
            k("get", f"CM/{child}", "-o", "yaml")
            k.quiet("delete", f"CM/{child}")
        else:
            k("wait", f"CM/{child}", "--for=delete", "--timeout=30s")


_REMOVE_FINALIZERS = '[{"op":"remove","path":"/metadata/finalizers"}]'


@everywhere
def raw_requests(k: Transcript) -> None:
    _objects(k, "raw")
    listed = f"{_path(k)}?labelSelector=case%3Draw"
    page = json.loads(k.quiet("get", "--raw", f"{listed}&limit=2"))
    k.note("first page", f"{_names(json.dumps(page))}{page['metadata'].get('remainingItemCount')}")
    rest = f"{listed}&limit=2&continue={page['metadata']['continue']}"
    k("get", "--raw", rest, view=_names)
    version = page["metadata"]["resourceVersion"]
    for query in (
        f"&resourceVersion={version}&resourceVersionMatch=Exact",
        "&resourceVersion=1&resourceVersionMatch=NotOlderThan",
        "&resourceVersion=0",
    ):
        k("get", "--raw", f"{listed}{query}", view=_names)
    for query in (
        "&resourceVersionMatch=Exact",
        "&resourceVersion=0&resourceVersionMatch=Exact",
        "&resourceVersion=1&resourceVersionMatch=Wrong",
        "&resourceVersion=x",
        "&watch=true&timeoutSeconds=1&sendInitialEvents=true",
    ):
        k("get", "--raw", f"{listed}{query}", view=_nothing)
    for query in ("&continue=x", "&limit=x"):
        k("get", "--raw", f"{listed}{query}", any_words=True)
    k("get", "--raw", f"{_path(k)}/missing")
    k("get", "--raw", f"{_path(k)}/raw-a-one/nothing", by_kind=True)


@everywhere
def explaining(k: Transcript) -> None:
    for path in ("metadata", "metadata.ownerReferences", "metadata.labels"):
        k("explain", f"configmaps.{path}", *_group(k), view=_fields)
    k("explain", "configmaps.nothing", *_group(k), view=_nothing)
    k("explain", "configmaps.metadata", "--recursive", *_group(k), view=_fields)


@custom
def describing(k: Transcript) -> None:
    manifest = k.manifest(
        "described", {"a": "1", "text": "two\nlines"}, labels={"case": "describe"}
    )
    k.quiet("apply", "-f", "-", stdin=manifest)
    k("describe", "CM/described")
    k("describe", "CM", "-l", "case=describe")
    k("describe", "CM", "desc")
    k("describe", "CM/missing")


@custom
def what_custom_kinds_refuse(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("refused", {"a": "1"}))
    k("patch", "CM/refused", "-p", '{"data":{"a":"2"}}')
    k("replace", "-f", "-", stdin=k.manifest("refused", {"a": "2"}))
    hold = '{"metadata":{"finalizers":["no-slash"]}}'
    k("patch", "CM/refused", "--type=merge", "-p", hold)
    k("patch", "CM/refused", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    k("get", "CM/refused", "-o", "jsonpath={.metadata.generation}")
    k("label", "CM/refused", "x=y")
    k("get", "CM/refused", "-o", "jsonpath={.metadata.generation}")
    k("patch", "CM/refused", "--type=merge", "-p", '{"data":{"a":"3"}}')
    k("get", "CM/refused", "-o", "jsonpath={.metadata.generation}")
    k("explain", "configmaps.data", *_group(k), view=_fields)


@builtin
def strategic_patches(k: Transcript) -> None:
    k.quiet("create", "-f", "-", stdin=k.manifest("strategic", {"a": "1", "b": "2"}))
    patch = ("patch", "CM/strategic")
    k(*patch, "-p", '{"data":{"a":null,"c":"3"}}')
    k(*patch, "-p", '{"data":{"$patch":"replace","z":"1"}}')
    k(*patch, "-p", '{"metadata":{"finalizers":["x.dev/a"]}}')
    k(*patch, "-p", '{"metadata":{"finalizers":["x.dev/b"]}}')
    k(*patch, "-p", '{"metadata":{"$deleteFromPrimitiveList/finalizers":["x.dev/a"]}}')
    k(*patch, "-p", '{"metadata":{"finalizers":null}}')
    k(*patch, "-p", '{"data":{"n":1}}', any_words=True)
    k("replace", "-f", "-", stdin=k.manifest("strategic", {"a": "2"}))
    k("get", "CM/strategic", "-o", "json", "--show-managed-fields", view=by_manager)


@builtin
def what_builtin_kinds_refuse(k: Transcript) -> None:
    create = ("create", "-f", "-")
    k(*create, stdin=k.manifest("Not_A_Name"))
    k(*create, stdin=k.manifest("refused", finalizers=["no-slash"]))
    k(*create, stdin=k.manifest("refused", {"not/a/key": "x"}))


@builtin
def deployments(k: Transcript) -> None:
    manifest = json.dumps(_DEPLOYMENT)
    k("apply", "-f", "-", stdin=manifest)
    k("wait", "deployment/web", "--for=condition=Available", "--timeout=30s")
    k("rollout", "status", "deployment/web", "--timeout=30s")
    k("get", "deployment/web", "-o", "wide")
    # A known difference (docs/limits.md): the revision counts as a change of the object there.
    whole = ("get", "deployment", "-l", "app=web", "-o", "yaml")
    k(*whole, view=lambda text: re.sub(r" *observedGeneration: \d+\n", "", text))
    k(
        "get",
        "deployment/web",
        "-o",
        "jsonpath={.spec.template.spec.containers[?(@.name=='b')].image}",
    )
    k("get", "rs", "-l", "app=web", "-o", "jsonpath={.items[*].metadata.ownerReferences[*].kind}")
    k("apply", "-f", "-", stdin=manifest.replace("busybox:1.36", "busybox:1.37"))
    k("patch", "deployment/web", "-p", _SECOND_IMAGE)
    k("diff", "-f", "-", stdin=manifest, view=changed_lines)
    k("scale", "deployment/web", "--replicas=0", "--current-replicas=0")
    k("scale", "deployment/web", "--replicas=0", "--current-replicas=5")
    k("set", "image", "deployment/web", "a=busybox:1.35")
    k("apply", "--server-side", "-f", "-", stdin=manifest)
    k("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest)
    k("get", "deployment/web", "-o", "json", "--show-managed-fields", view=_applied_managers)
    k("explain", "deployment.spec.strategy", "--recursive", view=_fields)
    k("delete", "deployment/web", "--cascade=foreground", "--timeout=30s")
    k("get", "rs", "-l", "app=web", "-o", "name")


_SECOND_IMAGE = (
    '{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"busybox:1.34"}]}}}}'
)
_DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "a", "image": "busybox:1.36"},
                    {"name": "b", "image": "busybox:1.36", "env": [{"name": "X", "value": "1"}]},
                ]
            },
        },
    },
}


def _path(k: Transcript) -> str:
    subject = k.subject
    root = f"/apis/{subject.api_version}" if subject.group else f"/api/{subject.version}"
    place = f"/namespaces/{subject.namespace}" if subject.namespace else ""
    return f"{root}{place}/configmaps"


def _group(k: Transcript) -> list[str]:
    return [f"--api-version={k.subject.api_version}"]


def _names(text: str) -> str:
    """The names of the objects in a list."""
    return "".join(f"{item['metadata']['name']}\n" for item in json.loads(text).get("items", []))


def _nothing(_: str) -> str:
    return ""


def _matches(pattern: str) -> Callable[[str], str]:
    """What matches, one a line."""
    return lambda text: "".join(f"{found}\n" for found in re.findall(pattern, text))


def _sorted(text: str) -> str:
    """The lines of what kubectl prints in any order."""
    return "".join(sorted(text.splitlines(keepends=True)))


def _lines(start: str) -> Callable[[str], str]:
    """The lines about objects whose names start so."""
    return lambda text: "".join(f"{line}\n" for line in text.splitlines() if start in line)


def _fields(text: str) -> str:
    """Names and types of the fields that `explain` shows."""
    rows = (line.strip() for line in text.splitlines() if "\t<" in line)
    return "".join(f"{row}\n" for row in rows)


def _applied_managers(text: str) -> str:
    """What kubectl's managers have; a controller's own entry comes when it comes."""
    managers = json.loads(text)["metadata"]["managedFields"]
    return json.dumps([m for m in managers if m["manager"].startswith("kubectl")], indent=1)
