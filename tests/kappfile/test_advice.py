"""The language's own errors come with what to do about them."""

from __future__ import annotations

import pytest

CASES = [
    ("{}['a']", "use .get(key, default)"),
    ("os.environ['NOPE']", "use .get(key, default)"),
    ("[1][5]", "indexes go from 0"),
    ("'a' + 1", "str(…)"),
    ("for x in 3:\n    pass", "lists, tuples, dicts and ranges"),
    ("x = 1\nx()", "is no function"),
    ("len(3)", "print(type(…))"),
    ("def f(a):\n    pass\nf(1, 2)", "`def`"),
    ("int('a')", ".strip()"),
    ("sorted([1, 'a'])", "key=str"),
    ("1 / 0", "divisor"),
    ("a, b = [1]", "as many names"),
    ("'%d' % 'a'", "%s"),
    ("import os", "load("),
    ("while True:\n    pass", "range("),
    ("class A:\n    pass", "struct("),
    ("try:\n    pass", "os.path.exists"),
    ("return 1", "exit()"),
    ("break", "`for`"),
    ("1 = 2", "=="),
    ("f'{1 + 1}'", "a name first"),
    ("range('a')", "of that type"),
    ("json.decode('{')", "no JSON"),
    ("{'a': 1, 'a': 2}", "remove one"),
    ("if True\n    print(1)", "end of this line"),
    ("def f():\nprint(1)", "indent every line"),
    ("x = (1 2)", "bracket, comma, colon"),
    ("os.getenvv('A')", "did you mean `getenv`?"),
    ("struct(name=1).nmae", "did you mean `name`?"),
    ("k8s_ressource('a')", "did you mean `k8s_resource`?"),
    ("k8s_resource('a', portforwards=1)", "did you mean `port_forwards`?"),
    ("undefined", "define it above"),
]


@pytest.mark.parametrize(("text", "hint"), CASES, ids=[case[0] for case in CASES])
def test_advice(project, text, hint):
    error = project.fails(f"print('before')\n{text}\n")
    assert hint in error.hint
    assert error.location.startswith("Kappfile:")
    assert error.source_line
