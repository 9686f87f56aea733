"""`kapp kubeconfig`: the way into kapp's own API for kubectl and libraries."""

from __future__ import annotations

import json

from kapp.cli.engines import request, running_instance
from kapp.cli.options import Engine


def kubeconfig(
    file: Engine = "",
) -> None:
    """Print the path of the kubeconfig of kapp's own API.

    For example: kubectl --kubeconfig "$(kapp kubeconfig)" get kapp
    """
    with request(running_instance(file), "GET", "/kapp/v1/kubeconfig") as response:
        print(json.loads(response.read())["path"])
