"""All commands, on Typer."""

from __future__ import annotations

import os
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
    kubeconfig,
    logs,
    patch,
    projects,
    reading,
    switching,
    trigger,
    up,
    version,
    wait,
)
from kapp.cli.outcome import exit_code_of

app = typer.Typer(
    name="kapp",
    help="A continuous deployer for the inner development loop on Kubernetes.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
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
app.command("get")(reading.get)
app.command("describe")(reading.describe)
app.command("explain")(reading.explain)
app.command("api-resources")(reading.api_resources)
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
    return exit_code_of(lambda: app(args=own, prog_name="kapp", standalone_mode=False, obj=rest))
