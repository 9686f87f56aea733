"""What `kapp up` was asked to do, and a parser of the ways in which it is usually asked.

Typer takes a fifth of a second to start, a third of all the time until the first apply. So what is
typed in known words is read here, with the standard library alone; whatever is not (a mistake, an
abbreviation, `--help`) is left to Typer, which explains. `tests/cli/test_upoptions.py` holds the
two to one understanding.
"""

from __future__ import annotations

from typing import NamedTuple


class UpOptions(NamedTuple):
    """The options of `kapp up`; see its `--help`. `args` are the words after `--`."""

    resources: tuple[str, ...] = ()
    file: str = ""
    stream: bool = False
    cluster: str = ""
    kube_context: str = ""
    namespace: str = ""
    port_forwards: bool = True
    down_on_exit: bool = False
    args: tuple[str, ...] = ()


_FLAGS = {
    "--stream": ("stream", True),
    "--port-forwards": ("port_forwards", True),
    "--no-port-forwards": ("port_forwards", False),
    "--down-on-exit": ("down_on_exit", True),
}
_VALUES = {
    "-f": "file",
    "--file": "file",
    "--cluster": "cluster",
    "--context": "kube_context",
    "--namespace": "namespace",
}


def parse(arguments: list[str]) -> UpOptions | None:
    """The options in the words after `kapp up`; None for what Typer must look at."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own, args = iter(arguments[:end]), tuple(arguments[end + 1 :])
    found: dict[str, str | bool] = {}
    resources = []
    for word in own:
        name, equals, value = word.partition("=")
        if word in _FLAGS:
            field, on = _FLAGS[word]
            found[field] = on
        elif word in _VALUES:
            following = next(own, None)
            if following is None or following.startswith("-"):
                return None
            found[_VALUES[word]] = following
        elif equals and name.startswith("--") and name in _VALUES:
            found[_VALUES[name]] = value
        elif word.startswith("-"):
            return None
        else:
            resources.append(word)
    return UpOptions(resources=tuple(resources), args=args)._replace(**found)  # type: ignore[arg-type]
