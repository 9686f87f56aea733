"""workload_to_resource_function: names from a function of the Kappfile's own."""

from __future__ import annotations

import pytest

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: one, namespace: ns}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: two}
"""


def names(result):
    return [resource.name for resource in result.resources]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("id.name + '-x'", ["one-x", "two-x"]),
        ("':'.join([id.name, id.kind, id.namespace, id.group])",
         ["one:Pod:ns:core", "two:Deployment:default:apps"]),
        ("{'one': 'first', 'two': 'second'}[id.name]", ["first", "second"]),
    ],
)  # fmt: skip
def test_names(project, expression, expected):
    project.write("pods.yaml", PODS)
    text = f"workload_to_resource_function(lambda id: {expression})\nk8s_yaml('pods.yaml')\n"
    assert names(project.run(text)) == expected


def test_other_calls_use_the_new_names(project):
    project.write("pods.yaml", PODS)
    result = project.run(
        "def name_of(id):\n    return 'my-' + id.name\n"
        "k8s_resource('my-one', new_name='uno')\n"
        "port_forward('my-two', 8000)\n"
        "workload_to_resource_function(lambda id: 'unused')\n"
        "workload_to_resource_function(name_of)\n"
        "k8s_yaml('pods.yaml')\nexit()\n"
    )
    assert names(result) == ["uno", "my-two"]
    assert [forward.local_port for forward in result.resources[1].port_forwards] == [8000]


def test_an_included_file_may_name(project):
    project.write("pods.yaml", PODS)
    project.write("lib/Kappfile", "workload_to_resource_function(lambda id: 'lib-' + id.name)\n")
    assert names(project.run("include('lib/Kappfile')\nk8s_yaml('pods.yaml')\n")) == [
        "lib-one",
        "lib-two",
    ]


@pytest.mark.parametrize(
    ("call", "report"),
    [
        (
            "workload_to_resource_function('name')",
            (
                "Kappfile:2: workload_to_resource_function: `func` must be a function, "
                "not a string\n"
                "    workload_to_resource_function('name')\n"
                "hint: func: takes the workload's id, a struct with `name`, `kind`, `namespace` "
                "and `group` (`default` and `core` where there is none), and returns the "
                "resource's name"
            ),
        ),
        (
            "workload_to_resource_function(lambda id: 'same')",
            (
                "Kappfile:2: workload_to_resource_function: the function gave `one:pod:ns:core` "
                "and `two:deployment:default:apps` the same name, `same`\n"
                "    workload_to_resource_function(lambda id: 'same')\n"
                "hint: make names unique, for example with the namespace: id.namespace"
            ),
        ),
        (
            "workload_to_resource_function(lambda id: id.namespace == '')",
            (
                "Kappfile:2: workload_to_resource_function: the function returned a bool for "
                "`one:pod:ns:core`\n"
                "    workload_to_resource_function(lambda id: id.namespace == '')\n"
                "hint: return a resource's name"
            ),
        ),
        (
            "def name_of(id):\n    return id.nam\nworkload_to_resource_function(name_of)",
            (
                "Kappfile:3: object of type `struct` has no attribute `nam`\n"
                "    return id.nam\n"
                "hint: did you mean `name`?"
            ),
        ),
    ],
    ids=["no function", "same name", "no name", "an error in the function"],
)
def test_refuses(project, call, report):
    project.write("pods.yaml", PODS)
    assert project.report(f"k8s_yaml('pods.yaml')\n{call}\n") == report


def test_a_function_of_a_loaded_file_cannot_keep_one(project):
    project.write("lib", "def setup():\n    workload_to_resource_function(lambda id: 'x')\n")
    assert project.report("load('lib', 'setup')\nsetup()\n") == (
        "lib:2: this belongs to a file that was loaded, so it cannot be changed any more\n"
        "    workload_to_resource_function(lambda id: 'x')\n"
        "  called from Kappfile:2\n"
        "hint: a loaded file's functions can change what they are given, and what they make"
    )
