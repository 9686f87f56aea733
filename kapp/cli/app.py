"""All commands but `get`'s instant path, on Typer; turns every outcome into an exit code.

A command raises `KappError` for what the user should know; anything else is a bug in kapp and says
so, with a traceback only under `--debug`.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kapp.cli import (
    apply,
    args,
    ci,
    cluster,
    completion,
    delete,
    doctor,
    down,
    edit,
    get,
    kubeconfig,
    logs,
    patch,
    projects,
    switching,
    trigger,
    up,
    version,
    wait,
)
from kapp.cli.render import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, exit_code, say, show_error
from kapp.errors import KappError, UsageError

app = typer.Typer(
    name="kapp",
    help="A continuous deployer for the inner development loop on Kubernetes.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=False,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """A continuous deployer for the inner development loop on Kubernetes."""
    if debug:
        os.environ["KAPP_DEBUG"] = "1"
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command("up")(up.up)
app.command("get")(get.get)
app.command("logs")(logs.logs)
app.command("down")(down.down)
app.command("ci")(ci.ci)
app.command("args")(args.args)
app.command("trigger")(trigger.trigger)
app.command("enable")(switching.enable)
app.command("disable")(switching.disable)
app.command("list")(projects.list_)
app.command("wait")(wait.wait)
app.command("apply")(apply.apply)
app.command("patch")(patch.patch)
app.command("edit")(edit.edit)
app.command("delete")(delete.delete)
app.command("kubeconfig")(kubeconfig.kubeconfig)
app.add_typer(cluster.app, name="cluster")
app.command("doctor")(doctor.doctor)
app.command("completion")(completion.completion)
app.command("version")(version.version)


def run(arguments: list[str]) -> int:
    """Run one command line (without the program's name); returns the exit code.

    Words after `--` are no business of Typer's: they go to the command as `context.obj`.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    own, rest = arguments[:end], arguments[end + 1 :]
    if completion.VARIABLE in os.environ:
        completion.prepare()
    try:
        result = app(args=own, prog_name="kapp", standalone_mode=False, obj=rest)
    except KappError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        return _unexpected(error)
    return result if isinstance(result, int) else 0


def _failed(error: KappError) -> int:
    if os.environ.get("KAPP_DEBUG"):
        raise error
    show_error(error)
    return exit_code(error)


def _unexpected(error: Exception) -> int:
    # Typer's own errors carry an exit code; recognised by shape, since its class tree moves.
    message = getattr(error, "format_message", None)
    if message is not None:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "kapp"
        text = str(message()).rstrip(".")
        show_error(UsageError(text[:1].lower() + text[1:], hint=f"see `{path} --help`"))
        return EXIT_USAGE
    if type(error).__name__ == "Exit":
        return int(getattr(error, "exit_code", EXIT_FAILED))
    if type(error).__name__ == "Abort":
        return EXIT_INTERRUPTED
    if os.environ.get("KAPP_DEBUG"):
        raise error
    say(f"error: kapp failed unexpectedly: {type(error).__name__}: {error}")
    say("hint: this is a bug in kapp; run again with `kapp --debug …` and report the traceback")
    return EXIT_FAILED
