"""`kapp up` as Typer knows it: its options and their help. What it does: `kapp/cli/running.py`."""

from __future__ import annotations

from typing import Annotated

import typer

from kapp.cli.options import Cluster, Context, Kappfile, Namespace, Resources
from kapp.cli.running import run
from kapp.cli.upoptions import UpOptions


def up(
    context: typer.Context,
    resources: Resources = None,
    file: Kappfile = "",
    stream: Annotated[bool, typer.Option("--stream", help="Print logs as plain lines.")] = False,
    cluster: Cluster = "",
    kube_context: Context = "",
    namespace: Namespace = "",
    port_forwards: Annotated[
        bool, typer.Option("--port-forwards/--no-port-forwards", help="Forward ports, or not.")
    ] = True,
    down_on_exit: Annotated[
        bool, typer.Option("--down-on-exit", help="Delete what was applied when it ends.")
    ] = False,
) -> int:
    """Run the Kappfile, and keep it in line with every save.

    Until Ctrl-C, which leaves what was applied. Words after `--` are the Kappfile's arguments.
    """
    return run(
        UpOptions(
            resources=tuple(resources or ()),
            file=file,
            stream=stream,
            cluster=cluster,
            kube_context=kube_context,
            namespace=namespace,
            port_forwards=port_forwards,
            down_on_exit=down_on_exit,
            args=tuple(context.obj or ()),
        )
    )
