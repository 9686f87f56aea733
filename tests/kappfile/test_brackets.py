"""The bracket that was forgotten, whatever strings and comments hold."""

import pytest

from kapp.kappfile.brackets import unclosed

CASES = [
    ("", None),
    ("f('x')", None),
    ("a = 1\nf('x'\n", (2, 2, "(")),
    ("x = [\n  (1),\n", (1, 5, "[")),
    ("x = {'a': [1}", None),  # does not match: the parser's business
    ("f(')')\ng(\n", (2, 2, "(")),
    ("f(  # )\n", (1, 2, "(")),
    ("x = '''\n(\n'''\ny = (\n", (4, 5, "(")),
    ('x = "\\"("\n', None),
    ("x = r'''a\\''' + (\n", (1, 17, "(")),
    ("f(g(", (1, 4, "(")),
    (")", None),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_the_forgotten_bracket(text, expected):
    found = unclosed(text)
    assert (found and (found.line, found.column, found.text)) == expected
