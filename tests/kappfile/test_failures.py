"""Whole error texts: what a user reads when a Kappfile is wrong."""

# ruff: noqa: ISC004 -- each text is one item, a line of it on a line

from __future__ import annotations

import pytest

REPORTS = [
    (
        "misspelt builtin",
        "k8s_resorce('x')",
        "Kappfile:1: `k8s_resorce` is not defined\n"
        "    k8s_resorce('x')\n"
        "hint: did you mean `k8s_resource`?",
    ),
    (
        "misspelt variable",
        "replicas = 1\nprint(replcas)",
        "Kappfile:2: `replcas` is not defined\n    print(replcas)\nhint: did you mean `replicas`?",
    ),
    (
        "unknown name",
        "xyzzy()",
        "Kappfile:1: `xyzzy` is not defined\n    xyzzy()\n"
        "hint: define it above this line, or load it from another file",
    ),
    (
        "builtin of Tilt only",
        "docker_build('app', '.')",
        "Kappfile:1: `docker_build` is not part of kapp\n"
        "    docker_build('app', '.')\n"
        "hint: kapp builds no images yet: push the image and name it in the manifest",
    ),
    (
        "missing argument",
        "k8s_yaml()",
        "Kappfile:1: k8s_yaml: the argument `yaml` is missing\n"
        "    k8s_yaml()\n"
        "hint: k8s_yaml(yaml, allow_duplicates=False)",
    ),
    (
        "unknown argument",
        "k8s_resource('a', port_forward=8000)",
        "Kappfile:1: k8s_resource: there is no argument `port_forward`\n"
        "    k8s_resource('a', port_forward=8000)\n"
        "hint: did you mean `port_forwards`?",
    ),
    (
        "too many arguments",
        "os.path.basename('a', 'b')",
        "Kappfile:1: os.path.basename: 1 argument too many\n"
        "    os.path.basename('a', 'b')\n"
        "hint: os.path.basename(path)",
    ),
    (
        "wrong type",
        "k8s_yaml(3)",
        "Kappfile:1: k8s_yaml: `yaml` must be a path, a blob, or a list of these, not an int\n"
        "    k8s_yaml(3)\n"
        "hint: yaml: a path, a pattern with `*`, `?`, `[…]` or `**`, a blob of YAML, or a list of "
        "these. Paths start at the directory of the file that is executed",
    ),
    (
        "a function as an argument",
        "k8s_yaml(lambda: 1)",
        "Kappfile:1: k8s_yaml: a function cannot be an argument here\n"
        "    k8s_yaml(lambda: 1)\n"
        "hint: data is None, True, False, numbers, strings, lists, dicts and structs",
    ),
    (
        "a range as an argument",
        "k8s_resource('a', port_forwards=range(8000, 8002))",
        "Kappfile:1: k8s_resource: a range cannot be an argument here\n"
        "    k8s_resource('a', port_forwards=range(8000, 8002))\n"
        "hint: turn it into a list: list(…)",
    ),
    (
        "no such file, one nearly called so",
        "k8s_yaml('kubernetes.yml')",
        "Kappfile:1: k8s_yaml: no such file: kubernetes.yml (looked for ROOT/kubernetes.yml)\n"
        "    k8s_yaml('kubernetes.yml')\n"
        "hint: did you mean `kubernetes.yaml`?",
    ),
    (
        "no such directory",
        "read_file('conf/app.json')",
        "Kappfile:1: read_file: no such file: conf/app.json (looked for ROOT/conf/app.json)\n"
        "    read_file('conf/app.json')\n"
        "hint: there is no directory ROOT/conf",
    ),
    (
        "pattern without a match",
        "k8s_yaml('manifests/*.yaml')",
        "Kappfile:1: k8s_yaml: no file matches manifests/*.yaml (looked below ROOT/manifests)\n"
        "    k8s_yaml('manifests/*.yaml')",
    ),
    (
        "YAML where a path belongs",
        "k8s_yaml('''\napiVersion: v1\n''')",
        "Kappfile:1: k8s_yaml: `yaml` is a path, but this one has several lines\n"
        "    k8s_yaml('''\n"
        "hint: YAML that is not in a file is passed as blob(…)",
    ),
    (
        "a document that is no object",
        "k8s_yaml(blob('- 1'))",
        "Kappfile:1: k8s_yaml: blob:1: this document is no Kubernetes object but a list\n"
        "    k8s_yaml(blob('- 1'))\n"
        "hint: an object has apiVersion, kind and metadata.name",
    ),
    (
        "an object without a kind",
        "k8s_yaml('broken.yaml')",
        "Kappfile:1: k8s_yaml: broken.yaml:6: this object has no kind\n    k8s_yaml('broken.yaml')",
    ),
    (
        "an object without a name",
        "k8s_yaml(blob('{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}'))",
        "Kappfile:1: k8s_yaml: blob:1: this Pod has no metadata.name\n"
        "    k8s_yaml(blob('{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}'))\n"
        "hint: generateName cannot be applied twice; give it a name",
    ),
    (
        "an empty manifest",
        "k8s_yaml('empty.yaml')",
        "Kappfile:1: k8s_yaml: empty.yaml holds no Kubernetes object\n    k8s_yaml('empty.yaml')",
    ),
    (
        "syntax",
        "x = 1\ny = [1, 2\nz = 3\n",
        "Kappfile:2:5: syntax error: `[` is never closed\n    y = [1, 2\n"
        "hint: add the `]` that belongs to it",
    ),
    (
        "runtime error in a function",
        "def f(x):\n    return x.name\n\nf(1)",
        "Kappfile:2: object of type `int` has no attribute `name`\n"
        "    return x.name\n"
        "  called from Kappfile:4\n"
        "hint: dir(…) lists what a value has",
    ),
    (
        "an error deep down",
        "def f(p):\n    k8s_yaml(p)\n\ndef g():\n    f('nope.yaml')\n\ng()",
        "Kappfile:2: k8s_yaml: no such file: nope.yaml (looked for ROOT/nope.yaml)\n"
        "    k8s_yaml(p)\n"
        "  called from Kappfile:5, in g\n"
        "  called from Kappfile:7\n"
        "hint: paths start at the directory of the file that is executed",
    ),
    (
        "an error in a loaded file",
        "x = 1\nload('lib/bad.star', 'y')",
        "lib/bad.star:2: `nowhere` is not defined\n    y = nowhere\n  called from Kappfile:2\n"
        "hint: define it above this line, or load it from another file",
    ),
    (
        "an error in a loaded function",
        "load('lib/deploy.star', 'deploy')\n\ndeploy('nope.yaml')",
        "lib/deploy.star:2: k8s_yaml: no such file: nope.yaml (looked for ROOT/nope.yaml)\n"
        "    k8s_yaml(path)\n"
        "  called from Kappfile:3\n"
        "hint: paths start at the directory of the file that is executed",
    ),
    (
        "a syntax error in a loaded file",
        "load('lib/syntax.star', 'y')",
        "lib/syntax.star:1:9: syntax error: unexpected identifier 'z' here\n"
        "    y = ( z z )\n"
        "  called from Kappfile:1\n"
        "hint: look for a missing bracket, comma, colon or quote here, or just before",
    ),
    (
        "a symbol that a loaded file lacks",
        "load('lib/deploy.star', 'deplyo')",
        "Kappfile:1: module has no symbol `deplyo`\n"
        "    load('lib/deploy.star', 'deplyo')\n"
        "hint: did you mean `deploy`?",
    ),
    (
        "an extension",
        "load('ext://restart_process', 'docker_build_with_restart')",
        "Kappfile:1: load: extensions (`ext://restart_process`) are not part of kapp yet\n"
        "    load('ext://restart_process', 'docker_build_with_restart')\n"
        "hint: copy the extension's file next to the Kappfile and load it by its path",
    ),
    (
        "an error in an included file",
        "def all():\n    include('lib/fails.star')\n\nall()",
        "lib/fails.star:1: fail: from inside\n"
        "    fail('from inside')\n"
        "  called from Kappfile:2, in all\n"
        "  called from Kappfile:4\n"
        "hint: the Kappfile says so itself: mend what it names, or the check",
    ),
    (
        "including no file",
        "include('nowhere/Kappfile')",
        "Kappfile:1: include: no such file: nowhere/Kappfile (looked for ROOT/nowhere/Kappfile)\n"
        "    include('nowhere/Kappfile')\n"
        "hint: there is no directory ROOT/nowhere",
    ),
    (
        "including itself",
        "include('Kappfile')",
        "Kappfile:1: include: files load each other in a circle: Kappfile → Kappfile\n"
        "    include('Kappfile')",
    ),
    (
        "a circle of loads",
        "load('lib/ping.star', 'ping')",
        "lib/pong.star:1: load: files load each other in a circle: lib/ping.star → lib/pong.star "
        "→ lib/ping.star\n"
        "    load('ping.star', 'ping')\n"
        "  called from lib/ping.star:1\n"
        "  called from Kappfile:1",
    ),
    (
        "endless recursion",
        "def f(n):\n    return f(n + 1)\n\nf(0)",
        "Kappfile:2: calls are nested over 1000 deep\n"
        "    return f(n + 1)\n"
        "  called from Kappfile:2, in f\n"
        "  called from Kappfile:4\n"
        "hint: look for a function that calls itself without end",
    ),
    (
        "brackets without end",
        "x = " + "[" * 100_000,
        "Kappfile:1: brackets are nested over 500 deep\n    x = " + "[" * 196,
    ),
    (
        "fail",
        "def check():\n    fail('no cluster', 3)\ncheck()",
        "Kappfile:2: fail: no cluster 3\n    fail('no cluster', 3)\n  called from Kappfile:3\n"
        "hint: the Kappfile says so itself: mend what it names, or the check",
    ),
    (
        "a bad label",
        "k8s_resource('a', labels=['my label'])",
        "Kappfile:1: k8s_resource: `my label` is no label\n"
        "    k8s_resource('a', labels=['my label'])\n"
        "hint: a label has up to 63 letters, digits, `-`, `_` or `.`, and ends in none of these",
    ),
    (
        "a bad mode",
        "k8s_resource('a', pod_readiness='later')",
        "Kappfile:1: k8s_resource: `pod_readiness` must be one of 'wait', 'ignore', 'succeeded', "
        "not 'later'\n"
        "    k8s_resource('a', pod_readiness='later')\n"
        "hint: pod_readiness: `'wait'` for ready pods, `'ignore'` them, or `'succeeded'`",
    ),
    (
        "trigger_mode twice",
        "trigger_mode('auto')\ntrigger_mode('manual')",
        "Kappfile:2: trigger_mode: may be called once; it was called at Kappfile:1\n"
        "    trigger_mode('manual')",
    ),
    (
        "JSON with an error",
        "decode_json('{\"a\": }')",
        "Kappfile:1: decode_json: json:1:7: Expecting value\n    decode_json('{\"a\": }')\n"
        "hint: check the commas and quotes before it; comments are for YAML",
    ),
    (
        "several documents",
        "decode_yaml('a: 1\\n---\\nb: 2\\n')",
        "Kappfile:1: decode_yaml: yaml holds 2 documents\n"
        "    decode_yaml('a: 1\\n---\\nb: 2\\n')\n"
        "hint: use decode_yaml_stream",
    ),
    (
        "not a regular expression",
        "filter_yaml('kubernetes.yaml', name='(')",
        "Kappfile:1: filter_yaml: `name` is no regular expression: missing ), unterminated "
        "subpattern at position 0\n"
        "    filter_yaml('kubernetes.yaml', name='(')\n"
        "hint: letters match themselves; put a backslash before any other character that shall",
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"), [case[1:] for case in REPORTS], ids=[case[0] for case in REPORTS]
)
def test_report(go, text, expected):
    go.write(
        "broken.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n---\napiVersion: v1\n",
    )
    go.write("empty.yaml", "# nothing yet\n")
    go.write("lib/bad.star", "x = 1\ny = nowhere\n")
    go.write("lib/deploy.star", "def deploy(path):\n    k8s_yaml(path)\n")
    go.write("lib/syntax.star", "y = ( z z )\n")
    go.write("lib/fails.star", "fail('from inside')\n")
    go.write("lib/ping.star", "load('pong.star', 'pong')\nping = pong\n")
    go.write("lib/pong.star", "load('ping.star', 'ping')\npong = ping\n")
    assert go.report(text) == expected


def test_yaml_error_names_the_line_of_the_manifest(go):
    go.write("kubernetes.yaml", "apiVersion: v1\nkind: [Pod\nmetadata: {}\n")
    error = go.fails("k8s_yaml('kubernetes.yaml')")
    assert error.location == "Kappfile:1"
    assert error.message.startswith("k8s_yaml: kubernetes.yaml:3: ")


@pytest.mark.parametrize(
    ("kappfile", "manifest", "transient"),
    [
        ("k8s_yaml('kubernetes.yaml')", "", True),
        ("k8s_yaml('kubernetes.yaml')", "a: [", True),
        ("k8s_yaml('kubernetes.yaml')", "apiVersion: v1\nkind: Pod\n", True),
        ("k8s_yaml('kubernetes.y", "", True),
        ("k8s_yaml('other.yaml')", "", False),
        ("fail('x')", "", False),
        ("nowhere()", "", False),
    ],
)
def test_what_a_half_written_file_looks_like(go, kappfile, manifest, transient):
    go.write("kubernetes.yaml", manifest)
    assert go.fails(kappfile).transient is transient


def test_a_failure_tells_what_to_watch_and_what_was_printed(go):
    error = go.fails("print('so far')\nread_file('kubernetes.yaml')\nk8s_yaml('not-there.yaml')")
    names = [str(path.relative_to(go.root)) for path in error.watched_paths]
    assert names == ["Kappfile", "kubernetes.yaml", "not-there.yaml"]
    assert error.output == ("so far",)


def test_a_missing_kappfile(project):
    assert project.report() == (
        "no such file: Kappfile (looked for ROOT/Kappfile)\n"
        "hint: paths start at the directory of the file that is executed"
    )


def test_a_file_that_is_no_text(project):
    (project.root / "Kappfile").write_bytes(b"print('\xff')")
    assert project.report() == "Kappfile is not UTF-8 text (byte 7)"


def test_a_fault_of_kapp_is_a_kappfile_error(go, monkeypatch):
    from kapp.kappfile.session import Session

    class Panic(BaseException):
        pass

    def broken(self, path):
        raise Panic("boom")

    monkeypatch.setattr(Session, "resolve", broken)
    assert go.report("read_file('x')") == (
        "Kappfile:1: kapp failed on this: Panic: boom\n"
        "    read_file('x')\n"
        "hint: this is a fault of kapp, not of the Kappfile"
    )


def test_a_file_that_ends_in_the_middle_of_a_line(project):
    error = project.fails("x = 1 + \\")
    assert error.location.startswith("Kappfile:1")
    assert project.run("x = 1  # a comment may end so: \\").resources == ()
