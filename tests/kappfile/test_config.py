# ruff: noqa: ISC004 -- each text is one item, a line of it on a line

from __future__ import annotations

import json

import pytest

DEFINED = """
config.define_string_list('to-run', args=True, usage='what to run')
config.define_string('level')
config.define_bool('debug')
config.define_object('limits')
print(encode_json(config.parse()))
"""
GROUP = """
local_resource('db', 'true')
local_resource('api', 'true', resource_deps=['db'])
local_resource('web', 'true', resource_deps=['api'])
local_resource('other', 'true')
"""


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((), {}),
        (("a", "b"), {"to-run": ["a", "b"]}),
        (("--to-run", "a", "--to-run=b", "c"), {"to-run": ["a", "b", "c"]}),
        (("--level", "-1", "-debug", "a"), {"level": "-1", "debug": True, "to-run": ["a"]}),
        (("--debug=false", "--", "--level"), {"debug": False, "to-run": ["--level"]}),
        (("--limits", '{"a": [1]}'), {"limits": {"a": [1]}}),
    ],
)
def test_the_command_line(project, args, expected):
    (printed,) = project.run(DEFINED, args=args).output
    assert json.loads(printed) == expected


def test_files_are_merged_watched_and_weaker_than_the_command_line(project):
    project.write("tilt_config.json", '{"level": "tilt", "debug": true, "to-run": ["a"]}')
    project.write("kapp_config.json", '{"level": "kapp"}')
    result = project.run(DEFINED, args=("b",))
    assert json.loads(result.output[0]) == {"level": "kapp", "debug": True, "to-run": ["b"]}
    assert project.root / "tilt_config.json" in result.watched_paths
    assert project.root / "kapp_config.json" in project.run(DEFINED).watched_paths


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--lvel=1",), "config.parse: --lvel is no setting of this Kappfile; known: `to-run`, "
                        "`level`, `debug`, `limits`"),
        (("--level",), "config.parse: --level needs a value"),
        (("--debug=maybe",), "config.parse: --debug must be true or false, not 'maybe'"),
        (("--limits={",), "config.parse: --limits: Expecting property name enclosed in double "
                          "quotes"),
    ],
)  # fmt: skip
def test_wrong_arguments(project, args, expected):
    project.write("Kappfile", DEFINED)
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- its text is looked at
        project.run(args=args)
    assert caught.value.message == expected
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[]", "config.parse: kapp_config.json is no object"),
        ('{"level": 1}', "config.parse: kapp_config.json: `level` must be a string"),
        (
            '{"nope": 1}',
            "config.parse: kapp_config.json: nope is no setting of this Kappfile; known: "
            "`to-run`, `level`, `debug`, `limits`",
        ),
    ],
)
def test_wrong_files(project, written, expected):
    project.write("kapp_config.json", written)
    assert project.fails(DEFINED).message == expected


def test_without_parse_arguments_are_resources_and_their_dependencies(project):
    assert project.run(GROUP).enabled is None
    assert project.run(GROUP, args=("web",)).enabled == {"db", "api", "web"}
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- its text is looked at
        project.run(GROUP, args=("othr",))
    assert str(caught.value) == (
        "there is no resource `othr` to enable; known resources: `db`, `api`, `web`, `other`"
    )
    assert caught.value.hint == "did you mean `other`?"


def test_a_kappfile_chooses_its_resources(project):
    chosen = "config.define_string('x')\nconfig.parse()\nconfig.set_enabled_resources(%s)\n"
    assert project.run(GROUP + chosen % "['api']", args=("--x=1",)).enabled == {"db", "api"}
    assert project.run(GROUP + chosen % "[]").enabled is None
    assert project.run(GROUP + "config.clear_enabled_resources()").enabled == frozenset()
    cleared = "config.clear_enabled_resources()\nconfig.set_enabled_resources(['db'])"
    assert project.run(GROUP + cleared).enabled == {"db"}


def test_uncategorized_is_always_enabled(go):
    go.write("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    result = go.run("k8s_yaml('kubernetes.yaml')\nk8s_yaml('map.yaml')", args=("example-go",))
    assert result.enabled == {"example-go", "uncategorized"}


def test_where_and_what_for(project):
    result = project.run(
        "print(config.main_path, config.main_dir, config.tilt_subcommand, config.kapp_subcommand)"
    )
    assert result.output == (f"{project.root / 'Kappfile'} {project.root} up up",)
