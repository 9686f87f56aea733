"""`kapp cluster …`: the embedded cluster's background process."""

from __future__ import annotations

import typer

from kapp.cli.render import EXIT_FAILED, say
from kapp.cli.target import embedded_directory, start_embedded
from kapp.errors import ClusterError

app = typer.Typer(help="The embedded cluster, for machines without Kubernetes.")


@app.command("start")
def start() -> None:
    """Start it in the background, unless it runs."""
    target = start_embedded("")
    say("the embedded cluster is running")
    say(f'hint: kubectl --kubeconfig "{target.kubeconfig}" get pods -A')


@app.command("stop")
def stop() -> None:
    """Stop it and every process it started; its objects are kept for the next start."""
    from kapp.minicluster import process

    if process.stop(embedded_directory()):
        say("the embedded cluster has stopped")
    else:
        say("the embedded cluster is not running")


@app.command("status")
def status() -> None:
    """Show whether it runs, how it isolates pods, and how many there are."""
    from kapp.minicluster import process

    found = process.status(embedded_directory())
    if not found.running:
        print("state:   stopped")
        say("hint: start it with `kapp cluster start`")
        raise typer.Exit(EXIT_FAILED)
    print("state:   running")
    print(f"pid:     {found.pid}")
    print(f"uptime:  {int(found.uptime_s)}s")
    print(f"server:  {found.server}")
    print(f"pods:    {'unknown' if found.pods is None else found.pods}")
    print(f"mode:    {found.mode}{f' ({found.reason})' if found.reason else ''}")


@app.command("kubeconfig")
def kubeconfig() -> None:
    """Print the path of its kubeconfig, for kubectl and libraries."""
    from kapp.minicluster import process

    path = process.kubeconfig_path(embedded_directory())
    if not path.exists():
        raise ClusterError(
            "the embedded cluster has never run", hint="start it with `kapp cluster start`"
        )
    print(path)


@app.command("logs")
def logs() -> None:
    """Print what it logged about itself (a pod's log: `kubectl logs`)."""
    from kapp.minicluster import process

    log = process.status(embedded_directory()).log
    try:
        with open(log, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                print(line, end="")
    except FileNotFoundError:
        raise ClusterError(
            "the embedded cluster has never run", hint="start it with `kapp cluster start`"
        ) from None
