"""JSONPath templates print what the real kubectl prints, and fail with its words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.machinery import jsonpath
from kapp.machinery.jsonpath import JsonPathError

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"

OBJECT = {
    "rows": [
        {
            "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}},
            "spec": {
                "n": 1,
                "l": [1, 2, 3],
                "b": True,
                "s": "q",
                "f": 1.5,
                "nil": None,
                "big": 12345678901,
                "fl": [1e21, 1e-07, 123456789.5, 0.1, 100000.0],
                "e": {},
                "el": [],
                "html": "<a&b>",
                "nested": [[1, 2], [3]],
                "str": "héllo",
                "t": "x<y",
                "forwards": [
                    {"localPort": 8000, "host": "localhost", "containerPort": 0, "t": "<&>"}
                ],
                "a b": "sp",
                "m": {"k1": 1},
                "quote": "it's",
            },
            "status": {
                "conditions": [
                    {"type": "Ready", "status": "True"},
                    {"type": "X", "status": "False"},
                ]
            },
        },
        {
            "metadata": {"name": "b"},
            "spec": {"n": 2, "l": [4, 5]},
            "status": {"conditions": [{"type": "Ready", "status": "False"}]},
        },
    ],
    "kind": "KubernetesApply",
    "apiVersion": "kapp.dev/v1alpha1",
    "metadata": {"name": "j", "labels": {"zz": "zz"}},
    "spec": {"yaml": "a: b\n"},
}

TEMPLATES = [
    r"{.rows[0].spec.l[-1]}",
    r"{.rows[0].spec.l[-1:]}",
    r"{.rows[0].spec.l[0:2]}",
    r"{.rows[0].spec.l[::2]}",
    r"{.rows[0].spec.l[0,2]}",
    r"{range .rows[*]}{.metadata.name}={.spec.n}{'\n'}{end}",
    r'{range .rows[*]}{.metadata.name}{"\t"}{range .status.conditions[*]}{.type}:{.status} {end}{"\n"}{end}',  # noqa: E501
    r'{.rows[?(@.metadata.name=="a")].spec.n}',
    r"{.rows[?(@.metadata.name=='b')].spec.n}",
    r"{.rows[?(@.spec.n>1)].metadata.name}",
    r'{.rows[*].status.conditions[?(@.type=="Ready")].status}',
    r"{.rows[0].metadata.labels.app\.kubernetes\.io/name}",
    r"{.rows[0].metadata.labels['app\.kubernetes\.io/name']}",
    r"{.rows[0]['metadata.name','spec.n']}",
    r"{.rows[*].spec.nope}",
    r"{.rows[?(@.spec.nope)].metadata.name}",
    r"{.rows[?(@.metadata.labels)].metadata.name}",
    r"{.rows[0].spec.b} {.rows[0].spec.f} {.rows[0].spec.nil}",
    r"{.rows[0].spec}",
    r"{.rows[*].metadata.name}{','}{.rows[*].spec.n}",
    r"text {.rows[0].metadata.name} more",
    r"{$.rows[0].kind}",
    r"{@.rows[0].metadata.name}",
    r"{.rows[*].spec.l[*]}",
    r"{['rows'][0]['metadata']['name']}",
    r"{.rows[:1].metadata.name}",
    r"{range .rows[*]}[{.metadata.name}] {end}",
    r'{.rows[?(@.metadata.name!="a")].spec.n}',
    r"{.rows[*]['metadata']['name']}",
    r"{.kind}{.rows[0].spec.n}",
    r"{.}",
    r"{@}",
    r"{$}",
    r"spec.yaml",
    r".spec}",
    r"{}",
    r"{.rows[0].spec.e}|{.rows[0].spec.el}|{.rows[0].spec.nil}|",
    r"{.rows[0].spec.fl[*]}",
    r"{.rows[0].spec.fl}",
    r"{.rows[0].spec.big}",
    r"{.rows[0].spec.html}",
    r"{.rows[0].spec.forwards}",
    r"{.rows[0].spec.forwards[0].t}",
    r"{.rows[0].spec.nested}",
    r"{.rows[0].spec.nested[*]}",
    r"{.rows[0].spec.nested[*][*]}",
    r"{.rows[0].spec.nested[*][0]}",
    r"{.rows[0].spec['n','s']}",
    r"{.rows[0]['spec']['n']}",
    r"{.rows[*].spec['n']}",
    r"{.rows[0].spec.l[-2:]}",
    r"{.rows[0].spec.l[:-1]}",
    r"{.rows[0].spec.l[0:3:2]}",
    r"{.rows[0].spec.l[3:]}",
    r"{.rows[0].spec.l[1:1]}",
    r"{.rows[0].spec.l[]}",
    r"{.rows[0].spec.s.*}",
    r"{.rows[0].spec.l.*}",
    r"{.rows[0].spec.m.*}",
    r"{.rows[0].spec.nil[0]}",
    r"{.rows[0].spec.nil.x}",
    r"{.rows[0].spec.nope[0]}",
    r"{.rows[0].spec.n.x}",
    r"{.rows.*.metadata.name}",
    r"{.rows[?(@.spec.n>=2)].metadata.name}",
    r"{.rows[?(@.spec.n<=1)].metadata.name}",
    r"{.rows[?(@.spec.n<2)].metadata.name}",
    r"{.rows[?(@.spec.f>1.0)].metadata.name}",
    r"{.rows[?(@.spec.b==true)].metadata.name}",
    r"{.rows[?(@.spec.b==false)].metadata.name}",
    r'{.rows[?(@.spec.s<"z")].metadata.name}',
    r"{.rows[?(@.spec.l[0]==1)].metadata.name}",
    r'{.rows[?(.metadata.name=="a")].spec.n}',
    r'{.rows[?(@.metadata.name == "a")].spec.n}',
    r"{.rows[?( @.metadata.name == 'a' )].spec.n}",
    r'{.rows[?(@.metadata.name=="a)")].spec.n}',
    r"{.rows[?(@.metadata.name)]}",
    r"{.rows[0].spec.l[?(@>1)]}",
    r"{.rows[0].spec.l[?(@==2)]}",
    r"{range .rows[*]}{range .spec.l[*]}{@},{end};{end}!",
    r"{range .nope[*]}{.x}{end}after",
    r"{range .rows[*]}{range .nope[*]}x{end}{.metadata.name}{end}",
    r"{range}{.kind}{end}",
    r"{range .rows[*].metadata}{.name} {end}",
    r"{.rows[*]['metadata.name', 'spec.n']}",
    r"{.rows[0]['metadata','spec'].name}",
    r"{.rows[0,1].metadata.name}",
    r"{.rows[0:1,1].metadata.name}",
    r'{"a\tb\n\"q\" \u00e9 \x41 \101"}',
    r"{'it\'s'}",
    r"""{'a"b'}""",
    r"""{"a'b"}""",
    r"{1}",
    r"{-1.5}",
    r"{+2}",
    r"{true}",
    r"{false} {true}",
    r"{.kind} {.metadata.name}",
    r"{.kind .metadata.name}",
    r"{.metadata\.name}",
    r"{.rows[0].metadata.labels['app.kubernetes.io/name']}",
    r'{.rows[0].metadata.labels."app.kubernetes.io/name"}',
    r"{.rows..name}",
    r"{.rows[*]..l}",
    r"{.rows[0].spec.l[0]}{.rows[0].spec.l[1]}",
    r"plain text",
    r"{.kind}}",
    r"{.kind|upper}",
    r"}",
    r"{ .kind }",
    r"{.rows[*].metadata.labels}",
    r"{.rows[*].spec.nil}",
    r"{.rows[*]}",
    r"{.rows[*].status.conditions[*].type}",
    r"{.rows[*].status.conditions[0].type}",
    r"{.rows[0].spec.str}",
    r"{.rows[0].spec.quote}",
    r"{.rows[?(@.spec.quote=='it\'s')].metadata.name}",
    r"""{.rows[?(@.spec.quote=="it's")].metadata.name}""",
    r'{.rows[?(@.spec.t=="x<y")].metadata.name}',
    r"{.rows[?(@.metadata.name!='a')].metadata.name}",
    r"{.rows[?(@.spec.missing!=1)].metadata.name}",
    r"{.rows[?(1==1)].metadata.name}",
    r"{.rows[?(@['spec']['n']==1)].metadata.name}",
    r"""{.metadata.name}{"\n"}{.kind}{'\n'}""",
    r"[.kind]",
    r"kind",
]

REJECTED = [
    r"{.rows[9].x}",
    r"{.rows[?(@.spec.n in (1))].metadata.name}",
    r"{.rows[?(@.metadata.name=~'a.*')].metadata.name}",
    r"{.rows[(@.length-1)].metadata.name}",
    r"{.spec",
    r"{.rows[0].spec['a b']}",
    r"{.rows[0].spec.a b}",
    r'{.rows[0].spec["n"]}',
    r"{.rows[0].spec[n]}",
    r"{.rows[0].spec.l[1:0]}",
    r"{.rows[0].spec.l[0:9]}",
    r"{.rows[0].spec.l[::-1]}",
    r"{.rows[0].spec.l[::0]}",
    r"{.rows[0].spec.l[3]}",
    r"{.rows[0].spec.l[-4]}",
    r"{.rows[0].spec.l[a]}",
    r"{.rows[0].spec.l[1.5]}",
    r"{.rows[0].spec.l[0][0]}",
    r"{.rows[0].spec.s[0]}",
    r"{.rows[0].spec.s[*]}",
    r"{.rows[?(@.spec.n==1.0)].metadata.name}",
    r"{.rows[?(@.spec.f>1)].metadata.name}",
    r'{.rows[?(@.spec.n=="1")].metadata.name}',
    r"{.rows[?(@.spec.s==q)].metadata.name}",
    r"{.rows[?(@.spec.l>1)].metadata.name}",
    r"{.rows[?(@.spec.l[*]==1)].metadata.name}",
    r"{.rows[?(@.spec.nil==1)].metadata.name}",
    r'{.rows[?(@.metadata.name=="a"&&@.spec.n==1)].spec.n}',
    r'{.rows[?(@.metadata.name=="a"].spec.n}',
    r"{.kind[?(@.a)]}",
    r'{.metadata[?(@.name=="j")]}',
    r"{.metadata[0]}",
    r"{end}",
    r"{range .rows[*]}a{end}{end}",
    r'{"unterminated}',
    r"{'\q'}",
    r"{1.2.3}",
    r"{foo}",
    r"{.kind,.metadata.name}",
    r"{#}",
    r"{{.kind}}",
    r"{.kind",
    r"{.rows[ 0 ].kind}",
    r"{.rows[0 ]}",
    r"{.rows[?(@.spec.n<>1)].metadata.name}",
    r"{.rows[?(@.spec.n===1)].metadata.name}",
    r'{.rows[?(@.status.conditions[?(@.type=="X")])].metadata.name}',
    r".kind}{.kind",
]


async def kubectl(path: Path, template: str) -> tuple[int, str, str]:
    """What kubectl prints for a file, without a cluster: it adds a label that is there already."""
    process = await asyncio.create_subprocess_exec(
        *(KUBECTL, "label", "--local", "-f", str(path), "zz=zz", "--overwrite"),
        f"--output=jsonpath={template}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "object.json"
    path.write_text(json.dumps(OBJECT))
    return path


async def test_templates_print_what_kubectl_prints(file):
    # All in one run: text between expressions is printed as it is.
    separator = "\x1e"
    code, out, err = await kubectl(file, separator.join(TEMPLATES))
    assert code == 0, err
    printed = dict(zip(TEMPLATES, out.split(separator), strict=True))
    ours = {template: jsonpath.compile(template).render(OBJECT) for template in TEMPLATES}
    assert ours == printed


@pytest.mark.slow
async def test_templates_fail_with_the_words_of_kubectl(file):
    running = asyncio.Semaphore(4)

    async def words(template: str) -> str:
        async with running:
            code, _, err = await kubectl(file, template)
        assert code == 1
        return err.partition("\n")[0].removeprefix("error: ").partition(". Printing more")[0]

    def ours(template: str) -> str:
        with pytest.raises(JsonPathError) as caught:
            jsonpath.compile(template).render(OBJECT)
        return caught.value.message

    said = await asyncio.gather(*map(words, REJECTED))
    assert {t: ours(t) for t in REJECTED} == dict(zip(REJECTED, said, strict=True))


def test_a_range_without_end_goes_on_with_the_whole_object():
    # what kubectl does: after the rows, the rest of the template once more
    assert jsonpath.compile("{range .rows[*]}{.metadata.name}").render(OBJECT) == "abj"


def test_recursive_descent_finds_what_kubectl_finds():
    # kubectl visits maps in random order, so only the set is compared
    assert sorted(jsonpath.compile("{..name}").find(OBJECT)) == ["a", "b", "j"]
    assert sorted(jsonpath.compile("{..spec.n}").find(OBJECT)) == [1, 2]
    assert jsonpath.compile("{.rows[0]..n}").find(OBJECT) == [1]


def test_a_path_without_braces_is_an_expression():
    assert jsonpath.compile(".spec.yaml").render(OBJECT) == "a: b\n"
    assert jsonpath.compile("$.kind").render(OBJECT) == "KubernetesApply"
    assert jsonpath.compile("kind").render(OBJECT) == "kind"


def test_an_object_prints_as_compact_json():
    template = jsonpath.compile("{.spec.portForwardTemplateSpec}")
    forward = {"localPort": 8000, "host": "localhost", "containerPort": 0}
    obj = {"spec": {"portForwardTemplateSpec": {"forwards": [forward]}}}
    assert template.render(obj) == (
        '{"forwards":[{"containerPort":0,"host":"localhost","localPort":8000}]}'
    )


@pytest.mark.parametrize("path", ["metadata.name", ".metadata.name", "{metadata.name}"])
def test_relaxed_paths_become_templates(path):
    assert jsonpath.relaxed(path) == "{.metadata.name}"
    assert jsonpath.compile(jsonpath.relaxed(path)).find(OBJECT) == ["j"]


def test_what_is_no_relaxed_path_says_what_is():
    with pytest.raises(JsonPathError, match=r"expected a 'name1.name2' or"):
        jsonpath.relaxed("{.a}{.b}")
    assert jsonpath.relaxed("") == ""


@given(st.text(alphabet="{}[].*?@'\"\\ab01:-,()=< \n", max_size=24))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_template_or_a_clear_error(text):
    with contextlib.suppress(JsonPathError):
        jsonpath.compile(text).render(OBJECT)
