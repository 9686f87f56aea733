"""Builtins that speak to the user, and those that end the evaluation."""

# ruff: noqa: D417 -- docstrings describe the Starlark parameters; `call` is the host's

from __future__ import annotations

from kapp.kappfile.errors import KappfileError
from kapp.kappfile.exits import Exit
from kapp.kappfile.registry import builtin
from kapp.kappfile.session import Call
from kapp.kappfile.values import Value, string

TOPIC = "Output"


@builtin(
    "print",
    topic=TOPIC,
    example="print('context:', k8s_context())",
    starlark="""def {id}(*args, sep=" "):
    {py}("", sep.join([_kapp_text(arg) for arg in args]))
""",
)
def print_(call: Call, *args: Value, sep: Value = " ") -> None:
    """Print values to the log of the Kappfile.

    Args:
        args: values of any type; a blob prints its text.
        sep: what stands between them.
    """
    call.session.print(str(args[0]))


@builtin(
    "warn",
    topic=TOPIC,
    example="warn('this Kappfile expects the embedded cluster')",
    starlark="""def {id}(msg):
    {py}(call_stack(strip_frames=1), _kapp_text(msg))
""",
)
def warn(call: Call, msg: Value) -> None:
    """Show a warning with this line; the evaluation goes on.

    Args:
        msg: what to say.
    """
    frames = call.frames
    call.session.warn(str(msg), str(frames[-1]) if frames else "")


@builtin(
    "fail",
    topic=TOPIC,
    example="if not k8s_context():\n    fail('choose a context first')",
    starlark="""def {id}(*args, sep=" "):
    {py}("", sep.join([_kapp_text(arg) for arg in args]))
""",
)
def fail(call: Call, *args: Value, sep: Value = " ") -> None:
    """End the evaluation with an error; what is deployed stays as it is.

    Args:
        args: the message; several values are joined.
        sep: what stands between them.
    """
    raise KappfileError(
        str(args[0]), hint="the Kappfile says so itself: mend what it names, or the check"
    )


@builtin(
    "exit",
    topic=TOPIC,
    example="if os.getenv('ONLY_SETTINGS'):\n    exit()",
    starlark="""def {id}(code=""):
    {py}("", _kapp_text(code))
""",
)
def exit_(call: Call, code: Value = "") -> None:
    """End the evaluation here, successfully: what was declared so far counts.

    Args:
        code: printed if it is not empty, as in Tilt.
    """
    message = string("code", code)
    if message not in ("", "None"):
        call.session.print(message)
    raise Exit
