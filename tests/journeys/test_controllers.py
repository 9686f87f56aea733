"""Controllers by others, on kapp's API: the official Python client, and one written with kopf.

Each watches KubernetesApply and reacts to a new `resultYAML`; each goes on after an engine was
started again, which to it is a version that has gone (410), and after it was too slow to follow.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes.dynamic import DynamicClient
from kubernetes.informer import ADDED, MODIFIED, SharedInformer

from .conftest import BIN, Project, Up, eventually
from .manifests import EXAMPLES

CONTROLLER = EXAMPLES / "newest-version" / "controller.py"
# Whoever does not read is behind more than the engine keeps (kapp/machinery/watchlog.py) and more
# than sockets hold.
FLOOD_CHANGES, FLOOD_BYTES = 150, 200_000
# Of no meaning to kapp, and ignored by kopf too.
FLOOD_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def _manifest(value: str) -> str:
    return (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: watched}\n"
        f"data: {{value: {value}, image: of-{value}}}\n"
    )


class Watched:
    """A project whose one resource others watch."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.write(
            "Kappfile", "k8s_yaml('cm.yaml')\nk8s_resource(new_name='web', objects=['watched'])\n"
        )
        project.write("cm.yaml", _manifest("one"))
        self.up: Up = project.up()
        self.kubeconfig = eventually(self._kubeconfig)

    def _kubeconfig(self) -> str:
        return self.project.run("kubeconfig", check=False).stdout.strip()

    def save(self, value: str) -> None:
        """Change what is applied."""
        self.project.write("cm.yaml", _manifest(value))

    def restart(self) -> None:
        """End the engine, and start the next one."""
        self.up.interrupt()
        self.up = self.project.up()
        eventually(self._kubeconfig)

    def api(self) -> Any:
        """KubernetesApplys, by the official dynamic client."""
        client = kubernetes.config.new_client_from_config(self.kubeconfig)
        return DynamicClient(client).resources.get(
            api_version="kapp.dev/v1alpha1", kind="KubernetesApply"
        )

    def flood(self) -> None:
        """Write more than the engine remembers for one who does not read."""
        api = self.api()
        for number in range(FLOOD_CHANGES):
            annotations = {FLOOD_ANNOTATION: f"{number}".ljust(FLOOD_BYTES, ".")}
            self._annotate(api, annotations)
        self._annotate(api, {FLOOD_ANNOTATION: None})

    def _annotate(self, api: Any, annotations: dict[str, str | None]) -> None:
        api.patch(
            name="web",
            body={"metadata": {"annotations": annotations}},
            content_type="application/merge-patch+json",
        )


@pytest.fixture
def watched(project: Project) -> Watched:
    return Watched(project)


@contextmanager
def _kopf(watched: Watched, command: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The example, as its README says; yields the file that it prints to."""
    output = watched.project.directory / "kopf.log"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [BIN / "kopf", "run", "--standalone", "--all-namespaces", CONTROLLER],
            env={
                **watched.project.environment,
                "KUBECONFIG": watched.kubeconfig,
                "ON_NEW_VERSION": command,
            },
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process, output
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def test_a_controller_written_with_kopf(watched: Watched) -> None:
    command = 'echo "$NAME serves $(echo "$RESULT_YAML" | grep " value:")"'
    with _kopf(watched, command) as (process, output):

        def reacted(value: str) -> bool:
            assert process.poll() is None, output.read_text()
            return f"web serves   value: {value}" in output.read_text()

        eventually(lambda: reacted("one"))
        watched.save("two")
        eventually(lambda: reacted("two"))

        watched.restart()
        watched.save("three")
        eventually(lambda: reacted("three"))

        process.send_signal(signal.SIGSTOP)
        watched.flood()
        watched.save("four")
        eventually(lambda: "value: four" in watched.api().get(name="web").status.resultYAML)
        process.send_signal(signal.SIGCONT)
        eventually(lambda: reacted("four"))
        text = output.read_text()
        # once for each version, but that a new engine is a first one to whoever watches
        assert text.count("web serves   value: one") == 1
        assert text.count("web serves   value: four") == 1


def test_the_informer_of_the_official_client(watched: Watched) -> None:
    api = watched.api()
    seen: list[str] = []
    slow, woken = threading.Event(), threading.Event()
    woken.set()

    def listed(watch: bool = False, **options: Any) -> Any:
        """What the informer lists and watches with."""
        if watch:
            return api.get(watch=True, serialize=False, **options)
        return api.get(**options)

    def on_change(obj: Any) -> None:
        found = obj if isinstance(obj, dict) else obj.to_dict()
        result = (found.get("status") or {}).get("resultYAML") or ""
        seen.extend(line.strip() for line in result.splitlines() if line.startswith("  value:"))
        if not woken.is_set():
            slow.set()
            woken.wait()

    informer = SharedInformer(listed)
    for event in (ADDED, MODIFIED):
        informer.add_event_handler(event, on_change)
    informer.start()
    try:
        eventually(lambda: "value: one" in seen)
        watched.save("two")
        eventually(lambda: "value: two" in seen)

        watched.restart()
        watched.save("three")
        eventually(lambda: "value: three" in seen)

        woken.clear()
        watched.save("four")
        assert slow.wait(30)
        watched.flood()
        watched.save("five")
        woken.set()
        eventually(lambda: "value: five" in seen)
        (cached,) = informer.cache.list()
        name = cached["metadata"]["name"] if isinstance(cached, dict) else cached.metadata.name
        assert name == "web"
    finally:
        woken.set()
        informer.stop()


def test_the_watch_of_the_official_client(watched: Watched) -> None:
    """`dynamic` discovers, lists, watches, and writes; a version that has gone is a 410."""
    api = watched.api()
    first = eventually(lambda: [one for one in api.get().items if one.status.resultYAML])
    version = api.get().metadata.resourceVersion
    watched.save("two")
    for event in api.watch(resource_version=version, timeout=60):
        if "value: two" in (event["object"].status.resultYAML or ""):
            break
    else:
        raise AssertionError("the watch ended before the new version")
    assert event["object"].metadata.uid == first[0].metadata.uid

    labelled = api.patch(
        name="web",
        body={"metadata": {"labels": {"seen": "yes"}}},
        content_type="application/merge-patch+json",
    )
    assert [one.metadata.name for one in api.get(label_selector="seen=yes").items] == ["web"]
    assert labelled.metadata.labels.seen == "yes"

    watched.restart()
    with pytest.raises(kubernetes.client.ApiException) as gone:
        next(iter(api.watch(resource_version=version, timeout=60)))
    assert gone.value.status == 410
    custom = kubernetes.client.CustomObjectsApi(api.client.client)
    listed = eventually(
        lambda: custom.list_cluster_custom_object("kapp.dev", "v1alpha1", "kubernetesapplys")[
            "items"
        ]
    )
    assert [one["metadata"]["name"] for one in listed] == ["web"]
