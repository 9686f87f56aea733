"""Which cluster a command is about: a context of the user's kubeconfig, or the embedded cluster.

The kubeconfig's current context when there is one; with none, the embedded cluster. `--cluster
embedded` or KAPP_CLUSTER=embedded chooses it outright.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from kapp.cli.render import say
from kapp.errors import ClusterError, UsageError
from kapp.instance import state_directory

if TYPE_CHECKING:
    from kapp.cluster.kubeconfig import KubeContext

EMBEDDED = "embedded"


class Target(msgspec.Struct, frozen=True):
    """A cluster as a kubeconfig names it, which is all that is recorded of it.

    `kubeconfig` lists files as $KUBECONFIG does; `namespace` is the default for objects without.
    """

    kubeconfig: str
    context: str
    namespace: str

    @property
    def is_embedded(self) -> bool:
        """Whether it is this user's embedded cluster."""
        return self.kubeconfig == str(embedded_directory() / "kubeconfig")

    def load(self) -> KubeContext:
        """All that is needed to connect. Raises ConfigError."""
        from kapp.cluster.kubeconfig import load

        return load(
            context=self.context,
            namespace=self.namespace,
            env={**os.environ, "KUBECONFIG": self.kubeconfig},
        )


def embedded_directory() -> Path:
    """The state directory of this user's embedded cluster."""
    return Path(state_directory()) / "cluster"


def choose(cluster: str, context: str, namespace: str) -> Target:
    """The target that the options name; starts the embedded cluster if that is it.

    Raises UsageError for options that contradict each other, ConfigError for a kubeconfig that
    cannot be used, ClusterError if the embedded cluster does not start.
    """
    wanted = cluster or os.environ.get("KAPP_CLUSTER", "")
    if wanted not in ("", EMBEDDED):
        raise UsageError(
            f"unknown cluster {wanted!r}",
            hint="`--cluster embedded` is the only one with a name; choose others with --context",
        )
    if wanted == EMBEDDED:
        if context and cluster:
            raise UsageError(
                "--cluster embedded and --context exclude each other", hint="leave one of them out"
            )
        return start_embedded(namespace)

    from kapp.cluster.kubeconfig import NoContext, load, paths

    try:
        found = load(context=context, namespace=namespace)
    except NoContext:
        files = ", ".join(map(str, paths()))
        say(f"no cluster in {files}: using kapp's embedded one (see `kapp cluster status`)")
        return start_embedded(namespace)
    files = os.pathsep.join(str(path.absolute()) for path in paths())
    return Target(files, found.context, found.namespace)


def start_embedded(namespace: str) -> Target:
    """Start the embedded cluster unless it runs. Raises ClusterError."""
    from kapp.minicluster import process

    directory = embedded_directory()
    try:
        kubeconfig = process.start(directory)
    except OSError as error:
        raise ClusterError(
            f"{directory} cannot be used: {error.strerror or error}",
            hint="set KAPP_STATE_DIR to a directory of your own, on a disk with room",
        ) from error
    return Target(str(kubeconfig), process.CONTEXT_NAME, namespace or "default")
