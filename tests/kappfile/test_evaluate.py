"""Files, loading, printing, cancelling: what evaluation does besides assembly."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kapp.kappfile import session as session_module
from kapp.kappfile.model import PortForward


def names(project, paths):
    return [str(path.relative_to(project.root)) for path in paths]


def test_walk_through(go):
    result = go.run("k8s_yaml('kubernetes.yaml')\nport_forward('example-go', 8000)\n")
    (resource,) = result.resources
    assert resource.name == "example-go"
    assert resource.port_forwards == (PortForward(8000),)
    assert resource.location == "Kappfile:1"
    assert names(go, result.watched_paths) == ["Kappfile", "kubernetes.yaml"]
    assert result.warnings == ()


@pytest.mark.parametrize(("text", "transient"), [("", True), (" \n", True), ("x = 1", False)])
def test_an_empty_kappfile_may_be_half_written(project, text, transient):
    result = project.run(text)
    assert result.resources == ()
    assert result.transient is transient


def test_watches_everything_it_asks_for(go):
    go.write("conf/a.json", "{}")
    go.write("lib.star", "x = 1\n")
    result = go.run(
        "load('lib.star', 'x')\n"
        "read_file('missing.txt', default='')\n"
        "read_json('conf/a.json')\n"
        "os.path.exists('flag')\n"
        "watch_file('conf')\n"
        "listdir('conf')\n"
        "k8s_yaml('*.yaml')\n"
    )
    assert names(go, result.watched_paths) == [
        "Kappfile",
        "lib.star",
        "missing.txt",
        "conf/a.json",
        "flag",
        "conf",
        ".",
        "kubernetes.yaml",
    ]
    assert names(go, result.watched_trees) == ["conf"]


def test_recursive_patterns_watch_the_tree(go):
    go.write("deep/er/one.yaml", (go.root / "kubernetes.yaml").read_text())
    result = go.run("k8s_yaml('deep/**/*.yaml')")
    assert [resource.name for resource in result.resources] == ["example-go"]
    assert names(go, result.watched_trees) == ["deep"]


def test_pattern_that_matches_later(go):
    error = go.fails("k8s_yaml('manifests/*.yaml')")
    assert go.root / "manifests" in error.watched_paths


def test_load_is_relative_and_cached(project):
    project.write("a/one.star", "load('two.star', 'two')\nprint('one runs')\none = two + 1\n")
    project.write("a/two.star", "print('two runs')\ntwo = 2\n")
    result = project.run("load('a/one.star', 'one')\nload('a/two.star', 'two')\nprint(one, two)")
    assert result.output == ("two runs", "one runs", "3 2")


def test_paths_start_at_the_file_that_is_executed(go):
    go.write("backend/Kappfile", "print(os.getcwd())\nk8s_yaml('app.yaml')\n")
    go.write("backend/app.yaml", (go.root / "kubernetes.yaml").read_text())
    result = go.run(
        "include('backend/Kappfile')\ninclude('./backend/Kappfile')\nprint(os.getcwd())"
    )
    assert result.output == (str(go.root / "backend"), str(go.root))
    (resource,) = result.resources
    assert resource.location == "backend/Kappfile:2"


def test_load_dynamic(project):
    project.write(
        "lib.star",
        "version = '1.2'\nsettings = {'a': [1, 2]}\n_private = 1\n"
        "def greet(name, mark='!'):\n    print('hello ' + name + mark)\n    return len(name)\n",
    )
    result = project.run(
        "lib = load_dynamic('lib.star')\n"
        "print(sorted(lib.keys()), lib['version'], lib['settings'])\n"
        "print(lib['greet']('you', mark='?'))\n"
    )
    assert result.output == (
        '["greet", "settings", "version"] 1.2 {"a": [1, 2]}',
        "hello you?",
        "3",
    )


def test_load_dynamic_errors_show_the_chain(project):
    project.write("lib.star", "def f():\n    fail('inside')\n")
    assert project.report("lib = load_dynamic('lib.star')\nlib['f']()") == (
        "lib.star:2: fail: inside\n    fail('inside')\n  called from Kappfile:2\n"
        "hint: the Kappfile says so itself: mend what it names, or the check"
    )


def test_blobs(project):
    result = project.run(
        "b = blob('text')\n"
        "print(b, str(b) + '!', type(b), type('x'), type(struct(a=1)), str(1))\n"
        "print(struct(a=1).a, str(read_file('none', default='d')))\n"
    )
    assert result.output == ("text text! blob string struct 1", "1 d")


def test_data_round_trip(project):
    project.write("values.yaml", "1: one\nlist: [1, 2.5, null, true]\n")
    result = project.run(
        "v = read_yaml('values.yaml')\n"
        "print(v)\n"
        "print(decode_json(encode_json(v)) == v, decode_yaml(encode_yaml(v)) == v)\n"
        "print(encode_json({'b': 1, 'a': []}))\n"
        "print(read_json('none.json', default=None), read_yaml('none', default={'a': 1}))\n"
        "print(decode_yaml_stream('a: 1\\n---\\na: 2\\n'))\n"
    )
    assert result.output == (
        '{"1": "one", "list": [1, 2.5, None, True]}',
        "True True",
        '{\n  "a": [],\n  "b": 1\n}\n',
        'None {"a": 1}',
        '[{"a": 1}, {"a": 2}]',
    )


def test_environment_is_given_and_stays_outside(project):
    env = {"A": "1"}
    project.write("lib.star", "seen = os.getenv('B')\n")
    result = project.run(
        "os.environ['C'] = '3'\n"
        "os.putenv('B', '2')\n"
        "load_lib = load_dynamic('lib.star')\n"
        "print(os.getenv('A'), os.environ['B'], os.getenv('C'), load_lib['seen'])\n"
        "os.unsetenv('A')\n"
        "print(os.getenv('A', 'gone'), os.getenv('HOME'))\n",
        env=env,
    )
    assert result.output == ("1 2 3 2", "gone None")
    assert env == {"A": "1"}


def test_paths(project):
    root = project.root
    result = project.run(
        "print(os.path.join('a', 'b'), os.path.basename('a/b'), os.path.dirname('a/b'))\n"
        "print(os.path.abspath('x/../y'), os.path.relpath(os.getcwd() + '/z'))\n"
        "print(os.path.exists('Kappfile'), os.path.exists('nope'), shlex.quote('a b'))\n",
    )
    assert result.output == ("a/b b a", f"{root}/y z", "True False 'a b'")


def test_context_and_arguments(project):
    text = "config.clear_enabled_resources()\nprint(k8s_context(), k8s_namespace(), sys.argv)"
    result = project.run(text, args=("a", "--b"))
    assert result.output == ('kind-test default ["a", "--b"]',)


def test_allowed_contexts(project):
    settings = project.run("allow_k8s_contexts('a')\nallow_k8s_contexts(['b', 'c'])").settings
    assert settings.allowed_contexts == {"a", "b", "c"}


def test_warn_has_a_location(project):
    (warning,) = project.run("def f():\n    warn('careful')\nf()").warnings
    assert str(warning) == "Kappfile:2: careful"


def test_exit_keeps_what_was_declared(go):
    go.write("lib.star", "k8s_yaml('kubernetes.yaml')\nexit('enough')\n")
    result = go.run("include('lib.star')\nfail('not reached')")
    assert [resource.name for resource in result.resources] == ["example-go"]
    assert result.output == ("enough",)


def test_output_is_bounded(project, monkeypatch):
    monkeypatch.setattr(session_module, "MAX_OUTPUT_CHARS", 20)
    result = project.run("for i in range(100):\n    print('12345678')")
    assert result.output == (
        "12345678",
        "12345678",
        "… output is cut here: the Kappfile prints over 20 characters",
    )


def test_filter_yaml(go):
    result = go.run(
        "found, rest = filter_yaml('kubernetes.yaml', kind='deploy', name='GO$')\n"
        "none, all = filter_yaml(found, labels={'app': 'other'})\n"
        "print(type(found), str(rest) == '', str(none) == '', str(all) == str(found))\n"
        "k8s_yaml(all)"
    )
    assert result.output == ("blob True True True",)
    assert [resource.name for resource in result.resources] == ["example-go"]


async def test_an_endless_loop_is_cancelled_while_others_run(project):
    project.write("Kappfile", "def f():\n    for i in range(1000000000):\n        pass\nf()")
    stop = threading.Event()
    task = asyncio.create_task(asyncio.to_thread(project.run, cancelled=stop.is_set))
    await asyncio.sleep(0)
    stop.set()
    with pytest.raises(Exception, match="the evaluation was cancelled") as caught:
        await task
    assert caught.value.cancelled


def test_a_loop_in_a_loaded_file_is_cancelled(project):
    project.write("lib.star", "x = [i for i in range(1000000000) if False]\n")
    project.write("Kappfile", "load('lib.star', 'x')")
    asked = iter(range(10_000))
    with pytest.raises(Exception, match="cancelled") as caught:
        project.run(cancelled=lambda: next(asked) > 10)
    assert str(caught.value.frames[-1]) == "lib.star:1"


def test_unchanged_documents_are_neither_parsed_nor_printed_again(go):
    kappfile = "k8s_yaml('kubernetes.yaml')"
    one = (go.root / "kubernetes.yaml").read_text()
    go.write("kubernetes.yaml", one + "---\n" + one.replace("example-go", "other"))
    first = go.run(kappfile).resources
    go.write("kubernetes.yaml", one + "---\n" + one.replace("example-go", "edited"))
    second = go.run(kappfile).resources
    assert first[0].objects[0] is second[0].objects[0]
    assert [resource.name for resource in second] == ["example-go", "edited"]


def test_an_unused_port_forward_value_warns(go):
    result = go.run(
        "used = port_forward(1)\nunused = port_forward(2)\n"
        "k8s_yaml('kubernetes.yaml')\nk8s_resource('example-go', port_forwards=used)"
    )
    assert [warning.location for warning in result.warnings] == ["Kappfile:2"]


def test_type_and_str_survive_being_rebound(project):
    result = project.run("struct = 1\nk8s_context = 2\nprint(blob('x'), k8s_namespace())")
    assert result.output == ("x default",)


def test_tabs_and_byte_order_marks_of_existing_tiltfiles(project):
    result = project.run("\ufeffdef f(x):\n\tif x:\n\t\tprint(x)\n\nf('tabs')\n")
    assert result.output == ("tabs",)


def test_a_tab_elsewhere_is_still_an_error(project):
    assert project.fails("x =\t1").message == "syntax error: tabs are not allowed"


@pytest.mark.parametrize(
    "last", ["load_dynamic('lib.star')", "lambda: 1", "struct(f=print)", "# a comment", "x = 1"]
)
def test_the_last_expression_of_a_file_may_be_anything(go, last):
    go.write("lib.star", "def f():\n    pass\n")
    assert go.run(last).resources == ()
