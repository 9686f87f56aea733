"""Go templates give what the real kubectl gives, and are refused where it refuses them."""

# ruff: noqa: E501
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kapp.machinery import gotemplate
from kapp.machinery.gotemplate import TemplateError
from kapp.machinery.printers import run_get
from kapp.machinery.registry import Registry

if TYPE_CHECKING:
    from conftest import Kubectl

# One object, one line each: all of them in one run of kubectl.
EXPRESSIONS = r"""
{{.metadata.name}}
{{.size}} {{.flag}} {{.nothing}} {{.missing}} {{.big}} {{.floats}} {{.mixed}} {{.metadata.labels}}
{{- /* a comment that trims */ -}}
x {{- 1 -}} y
{{"quoted \"text\"\tand\u00e9\x41"}} {{`raw \n`}} {{'a'}} {{12}} {{-3}} {{1.5}} {{1e3}} {{0x1F}} {{true}}
{{if .flag}}yes{{else}}no{{end}} {{if .nothing}}yes{{else if .size}}size{{else}}no{{end}}
{{if and .flag .size (not .nothing)}}and{{end}} {{or .nothing .missing "or"}} {{and .flag 0}}
{{with .metadata}}{{.name}} {{$.kind}}{{end}} {{with .nothing}}x{{else}}none{{end}}
{{range .mixed}}[{{.}}]{{end}} {{range .nothing}}x{{else}}empty{{end}}
{{range $i, $v := .mixed}}{{$i}}={{$v}},{{end}} {{range $k, $v := .metadata.labels}}{{$k}}:{{$v}};{{end}}
{{range $v := .mixed}}{{if eq $v 1}}{{continue}}{{end}}{{break}}{{end}}
{{$x := .metadata.name}}{{$x}} {{$x = "other"}}{{$x}} {{with $y := .size}}{{$y}}{{end}}
{{range $i, $v := .mixed}}{{$x = $i}}{{end}}{{$x}}
{{len .metadata.name}} {{len .mixed}} {{len .metadata}} {{index .mixed 1}} {{index .metadata.labels "app"}}
{{index .mixed 5 "a" 0}} {{(index .mixed 5).z}} {{index .metadata.labels "none"}} {{slice .metadata.name 1 2}}
{{printf "%s|%5s|%-5s|%q|%v|%d|%05d|%t|%x|%.2f|%%|%s" .metadata.name "a" "b" "c" .mixed 5 7 true 255 1.5 4}}
{{print 1 2 "a" "b" 3}} {{println "a" 1}}{{html "<a href='x'>&"}} {{js "it's <b>"}} {{urlquery "a b&c"}}
{{eq 1 1}} {{eq "a" "b" "a"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt "b" "a"}} {{ge 1.5 2.5}} {{eq .nothing nil}}
{{.metadata.name | printf "%s-%s" "x"}} {{.mixed | len | printf "%03d"}} {{"a" | eq "a"}}
{{define "t"}}<{{.}}>{{end}}{{template "t" .metadata.name}}{{template "t"}}{{block "b" .size}}{{.}}!{{end}}
{{exists .metadata "name"}} {{exists .metadata "none"}} {{base64decode "aGVsbG8="}} {{printf "%T" .size}}
{{range 3}}{{.}}{{end}} {{not .flag}} {{printf "%d" "x"}} {{printf "%s"}} {{printf "a" 1}}
"""

REFUSED = (
    "{{.metadata.name.first}}",
    "{{.nothing.name}}",
    "{{if .flag}}",
    "{{end}}",
    "{{nothing}}",
    "{{index .mixed 99}}",
    "{{lt 1 `a`}}",
    "{{range .flag}}{{end}}",
    "{{$x}}",
    '{{template "none"}}',
    "{{",
    "{{len 5}}",
    r'{{"\q"}}',
    r"""{{"\'"}}""",
    "{{'ab'}}",
    r'{{"\ud800"}}',
    r'{{"\777"}}',
)


@pytest.mark.slow
async def test_templates_print_what_kubectl_prints(kubectl: Kubectl, registry: Registry) -> None:
    for template in (EXPRESSIONS, *REFUSED):
        case = ["gd", "k8s:x", "-o", f"go-template={template}"]
        stdout, _, code = await kubectl.get(*case)
        found = run_get(registry, case)
        assert (found.exit_code != 0) == (code != 0), (template, found, stdout)
        if not code:
            assert found.stdout.splitlines() == stdout.splitlines()


@pytest.mark.parametrize("output", ["go-template-file", "templatefile"])
def test_a_template_in_a_file(registry: Registry, output: str) -> None:
    result = run_get(registry, ["gd", "web", "-o", f"{output}=t"], read_file=lambda _: "{{.kind}}")
    assert result.stdout == "Gadget"
    listed = run_get(registry, ["gd", "--template={{len .items}}"])
    assert listed.stdout.isdigit()


def test_a_template_without_end_is_ended() -> None:
    with pytest.raises(TemplateError, match="depth"):
        gotemplate.compile('{{define "t"}}{{template "t" .}}{{end}}{{template "t" .}}').render({})
    with pytest.raises(TemplateError, match="on without end"):
        gotemplate.compile("{{range 10000}}{{range 10000}}x{{end}}{{end}}").render({})
