"""YAML is read and printed as kubectl reads and prints it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp import yamlio
from kapp.errors import ConfigError

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"


def kubectl_print(path: Path, output: str) -> str:
    """What kubectl makes of a file, without a cluster: it adds one label and prints."""
    command = [KUBECTL, "label", "--local", "-f", str(path), "added=label", "-o", output]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def whole(spec):
    return {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x", "labels": {"added": "label"}},
        "spec": spec,
    }


PLAIN_SCALARS = """
    y Y n N yes No ON off TRUE tRUE t 1:30 2020-01-01 1e3 1E3 0o14 014 0x1F 0X1F 0b11 0b-1 -0b11 +12
    1_000 08 09.5 1. .5 -.5 12345678901234567890 123456789012345678901234567890 0.1 1.0 1e21 1e-7
    -9223372036854775809 100000000000000000000000.0 0o8 ~ null Null NULL nULL = 0x 0b2 1_0.5 +1.5 0.
    -0x1f 0o-1 1e .e1 e1 _1 1__0 0_1 2001-12-14t21:59:43.10-05:00 190:20:30 1.5e+3 +.5 12e03 -2E+05
    -014 +014 0777777777777777777777777 .1_0 1_ . 1e400 -0o14 00 0_ 0x_1f 0b_1 0b 0x1.8p1 +0x1f +_1
    1e_3 infinity nan inf NaN 1_e3 << - 1,2 a#b v1.2 1.2.3 12:30 10.0.0.1
""".split()
PLAIN_SCALARS.remove("-")


def test_plain_scalars_mean_what_they_mean_to_kubectl(tmp_path):
    text = yamlio.dump(whole({})).replace("spec: {}", "spec:")
    text += "".join(f"- {scalar}\n" for scalar in PLAIN_SCALARS)
    path = tmp_path / "scalars.yaml"
    path.write_text(text)
    # kubectl holds what int64 cannot as a float, and prints it without its exponent
    expected = json.loads(
        kubectl_print(path, "json"),
        parse_int=lambda text: int(text) if abs(int(text)) < 2**63 else float(text),
    )["spec"]
    read = yamlio.load(text)["spec"]
    assert dict(zip(PLAIN_SCALARS, read, strict=True)) == dict(
        zip(PLAIN_SCALARS, expected, strict=True)
    )


AWKWARD_TEXTS = [
    *("a\n", "a\n\n", "a", "\n", "\n\na", " a\nb", "a\n b\n", "a \nb", "a\tb", "a\tb\nc"),
    *("a\n\tb\n", "\ta\nb", "a\r\nb", "", "y", "1:30", "12:30:45", "2020-01-01", "a: b", "a:b"),
    *("- a", "-a", "a #b", "a#b", "#a", "é", "😀", "😀\nb", "x" * 200, "word " * 60, "'a'", '"a"'),
    *("a'b: c", 'a"b\tc', "---", "--- a", "...", "?", "? a", "?a", ":", ":a", "a:", "a:\n", "%a"),
    *("@a", "`a", "*a", "&a", "!a", "|a", ">a", "{a", "[a", "a]", "a,b", "a b ", "  a", "a\\b"),
    *("\x00", "\x1b", "=", "<<", "~", "null", "nULL", "true", "tRUE", "0x", "0x1", "1e3", "1e"),
    *("1_0", "_", "-", ".", "..", ".5", ".inf", "+", "-1", "+1", "0o7", "08", "a\n#b\n", "t", "on"),
    *("1.2.3", "1.2", "1,2", "190:20:30.15", "-1:30", "1:60", "2001-12-14t21:59:43.10-05:00"),
    *("2001-12-14 21:59:43", "2020-1-1", "2020-13-01", "\n ", " \n", "a\n ", "x\n\n\n", "a\n%b"),
    *("中文: x", "long plain text " * 12 + "end", "a " * 30 + "\n" + "b " * 60 + "c", "…"),
]


def test_every_awkward_text_is_printed_as_kubectl_prints_it(tmp_path):
    obj = whole([{"k": text} for text in AWKWARD_TEXTS])
    path = tmp_path / "texts.json"
    path.write_text(json.dumps(obj))
    assert yamlio.dump(obj) == kubectl_print(path, "yaml")


def test_nesting_numbers_and_keys_are_printed_as_kubectl_prints_them(tmp_path):
    floats = [0.1, 1.5, 123456789.5, 1e21, 1e-7, 0.0001, 0.00001, 1234567.5, 1e300, 5e-324, -0.5]
    spec = {
        "floats": [*floats, 12345678901234567000.0],
        "k" * 129: {"a": {"b": 1}},
        "z" * 130: [1, [2, [3], [], {}], {"a": {"b": [{"c": 1}]}}],
        "nest": [[["a\nb\n"]], [{"x": " a\nb"}]],
        "empty": [{}, [], {"a": []}],
        "none": None,
        **dict.fromkeys(("a10", "a9", "a-b", "a.b", "A", "b", "true", "1", "app.io/x", "_"), True),
        "last": "open\n\n",
    }
    path = tmp_path / "nest.json"
    path.write_text(json.dumps(whole(spec)))
    assert yamlio.dump(whole(spec)) == kubectl_print(path, "yaml")


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x7f")
    | st.sampled_from(" \n\t:#-'\"0123456789.eyn~"),
    max_size=12,
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(
        # beyond, Go prints the shortest digits, which read back as another integer
        lambda number: not number.is_integer() or not 2**53 < abs(number) < 2**63
    )
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_what_is_printed_reads_back(value):
    assert yamlio.load(yamlio.dump(value)) == value


@given(st.lists(VALUES.filter(lambda value: value is not None), max_size=4))
@settings(max_examples=50, deadline=None)
def test_documents_read_back(values):
    assert [document.value for document in yamlio.parse(yamlio.dump_all(values))] == values


def test_documents_know_their_lines_and_empty_ones_are_dropped():
    text = (
        "# head\n\na: 1\n---\n---\n# only a comment\n--- # next\nb: |\n  x\n  ---\n  y\n---\nnull\n"
    )
    documents = [(document.value, document.line) for document in yamlio.parse(text)]
    assert documents == [({"a": 1}, 3), ({"b": "x\n---\ny\n"}, 8)]
    assert yamlio.parse("") == []


def test_windows_line_ends_and_a_byte_order_mark_are_read():
    documents = yamlio.parse("\ufeffa: 1\r\n---\r\nb: |\r\n  x\r\n")
    assert [(document.value, document.line) for document in documents] == [
        ({"a": 1}, 1),
        ({"b": "x\n"}, 3),
    ]


def test_json_is_read_also_without_separators():
    assert [d.value for d in yamlio.parse('{"a": 1.0}\n{"b": [1e3, "\\u00e9"]}')] == [
        {"a": 1},
        {"b": [1000, "é"]},
    ]
    assert yamlio.load("{a: b}") == {"a": "b"}


def test_anchors_and_merge_keys_work():
    text = "base: &b {x: 1, w: 2}\none:\n  <<: *b\n  w: 3\ntwo:\n  <<: [{x: 9}, *b]\n  z: *b\n"
    value = yamlio.load(text)
    assert value["one"] == {"x": 1, "w": 3}
    assert value["two"] == {"x": 9, "w": 2, "z": {"x": 1, "w": 2}}
    value["base"]["x"] = "changed"
    assert value["two"]["z"]["x"] == 1


def test_keys_become_strings_as_in_kubectl():
    text = "1: a\n1.5: b\ntrue: c\nno: d\n0x10: e\n1e21: f\n2020-01-01: g\n'': h\n"
    assert list(yamlio.load(text)) == ["1", "1.5", "true", "false", "16", "1e+21", "2020-01-01", ""]


def test_explicit_tags_are_followed():
    text = "[!!str 12, !!int '12', !!float 1, !!bool 'yes', !!binary aGk=, !mine x, !!null '']"
    assert yamlio.load(text) == ["12", 12, 1, True, "hi", "x", None]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "key 'c' is already set 2 lines above"),
        ("a: 1\n---\nb: {c: 1, c: 2}\n", 3, "key 'c' is already set on this line"),
        ("a:\n\tb: 1\n", 2, "a tab stands where indentation is expected"),
        ("a: b: c\n", 1, "mapping values are not allowed in this context"),
        ("a: 1\n---\nx: .inf\n", 3, ".inf is not a number that JSON can hold"),
        ("? [a]\n: b\n", 1, "a map key must be a scalar"),
        ("~: b\n", 1, "null is no map key: quote it"),
        ("a: *nothing\n", 1, "unknown anchor 'nothing' referenced"),
        ("a: 'x\n", 2, "found unexpected end of stream"),
        ("a: 1\n--- {b: 2}\n", 2, "invalid document separator: --- {b: 2}"),
        ("<<: 1\n", 1, "map merge requires map or sequence of maps as the value"),
        ("a: 1\nb: \x01\n", 2, "character 1 is not allowed in YAML"),
        ("a: !!int x\n", 1, "cannot decode `x` as a !!int"),
        ("a: &x [*x]\n", 1, "unknown anchor 'x' referenced"),
        ("[" * 100_000, 1, "the document is nested too deeply"),
    ],
)
def test_errors_name_the_line(text, line, message):
    with pytest.raises(ConfigError) as caught:
        yamlio.parse(text, "app.yaml")
    assert (caught.value.location, caught.value.message) == (f"app.yaml:{line}", message)


def test_errors_carry_hints():
    with pytest.raises(ConfigError) as caught:
        yamlio.parse("image: {{ .Values.image }}\n")
    assert "render it first" in caught.value.hint
    assert caught.value.location == "line 1"


def test_a_billion_laughs_are_refused():
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="excessive aliasing"):
        yamlio.parse("\n".join(lines))


def test_one_document_is_one_document():
    with pytest.raises(ConfigError, match="one document is expected here, 2 were found"):
        yamlio.load("a: 1\n---\nb: 2\n")
    assert yamlio.load("# nothing\n") is None


def test_callers_own_what_they_get():
    first = yamlio.load("a: {b: 1}\n")
    first["a"]["b"] = 2
    assert yamlio.load("a: {b: 1}\n") == {"a": {"b": 1}}


def test_a_document_that_did_not_change_is_not_parsed_again(monkeypatch):
    parsed = []
    real = yamlio.parse.__globals__["construct"]

    def counting(text):
        parsed.append(text)
        return real(text)

    monkeypatch.setitem(yamlio.parse.__globals__, "construct", counting)
    documents = [f"unique: document {n}\n" for n in range(20)]
    yamlio.parse("---\n".join(documents))
    assert len(parsed) == 20
    documents[7] = "unique: edited\n"
    values = [d.value["unique"] for d in yamlio.parse("---\n".join(documents))]
    assert parsed[20:] == ["unique: edited\n"]
    assert values[7] == "edited"


def test_numbers_too_large_for_any_float_are_strings() -> None:
    assert yamlio.load("9" * 400) == "9" * 400
    assert yamlio.load("-" + "9" * 5000) == "-" + "9" * 5000
    assert yamlio.load("9" * 50) == 1e50
