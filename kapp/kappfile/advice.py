"""What to do about the language's own errors, of which starlark-rust says only what is wrong. Pure.

Called by `kapp.kappfile.failures` for errors that no builtin explains.
"""

from __future__ import annotations

import re

_KEYWORDS = {
    "class": "use struct(…) for values, and functions for what is done with them",
    "import": "use load('path', 'name')",
    "from": "use load('path', 'name')",
    "while": "use `for … in range(…)`",
    "try": "errors cannot be caught; check beforehand, for example with os.path.exists(…)",
    "except": "errors cannot be caught",
    "raise": "use fail('message')",
    "assert": "use `if …: fail('message')`",
    "with": "use read_file(path), which closes the file",
    "del": "use .pop(key)",
    "global": "return the value, or keep it in a dict",
    "nonlocal": "return the value, or keep it in a dict",
    "is": "use ==",
    "yield": "return a list",
}

_RULES: tuple[tuple[str, str], ...] = (
    (r"key `.*` was not found", "where a key may be missing, use .get(key, default)"),
    (r"index `.*` is out of bound", "indexes go from 0 to len(…) - 1; -1 is the last"),
    (r"operation `\(iter\)` not supported", "a `for` goes through lists, tuples, dicts and ranges"),
    (r"operation `call\(\)` not supported", "this is no function: was its name used for a value?"),
    (r"operation `cmp\(\)` not supported", "compare values of one type, for example key=str"),
    (r"operation `format\(", "%s takes a value of any type"),
    (r"operation `.*` not supported for types", "make them of one type first: str(…), int(…)"),
    (r"operation `.*` not supported on type", "look at what the value is: print(type(…))"),
    (r"object of type `\w+` has no attribute `\w+`$", "dir(…) lists what a value has"),
    (r"(found|missing).* for call to", "compare the call with the function's `def`"),
    (r"cannot parse `.*` as an integer", "an int has digits only; .strip() takes spaces away"),
    (r"module has no symbol", "load what the file defines; names that begin with `_` stay in it"),
    (r"`(break|continue)` cannot be used outside", "put it into the block of a `for`"),
    (r"expected `.*`, actual", "pass a value of that type"),
    (r"element .* not found in", "look with `in` first"),
    (r"EOF while parsing|expected value at line", "this is no JSON text"),
    (r"unpacked \d+ values", "write as many names as there are values"),
    (r"not a valid identifier", "an f-string holds names only: give the value a name first"),
    (r"does not match the type annotation", "pass such a value, or remove the annotation"),
    (r"`return` cannot be used outside", "use if and else; exit() ends the whole Kappfile"),
    (r"dictionary key repeated", "remove one of them"),
    (r"division by zero|modulo by zero", "check the divisor first"),
    (r"left-hand-side of assignment", "to compare, write =="),
    (r"`\w+` is not defined", "define it above this line, or load it from another file"),
    (r"syntax error: .*unexpected new line", "something is missing at the end of this line"),
    (r"syntax error: .*indent", "indent every line of a block by as much, and no other line"),
    (r"syntax error", "look for a missing bracket, comma, colon or quote here, or just before"),
)


def advice_for(message: str) -> str:
    """A hint for the message of an error, or ""."""
    keyword = re.search(r"reserved keyword `(\w+)`", message)
    if keyword is not None:
        return _KEYWORDS.get(keyword.group(1), "it means nothing in a Kappfile; take another name")
    for pattern, hint in _RULES:
        if re.search(pattern, message, re.IGNORECASE):
            return hint
    return ""
