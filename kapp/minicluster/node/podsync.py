"""Bring one pod's processes in line with its spec: the pod's namespaces, volumes, containers.

Called by the kubelet's reconciler, for one pod at a time. Source of the order of things:
k8s.io/kubernetes/pkg/kubelet/kuberuntime/kuberuntime_manager.go (`SyncPod`, `computePodActions`).
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from kapp.machinery.objects import Object, metadata_of
from kapp.minicluster.node import images, instance, podspec, status, volumes
from kapp.minicluster.node.containers import Containers
from kapp.minicluster.node.environment import ConfigMissing, Facts
from kapp.minicluster.node.events import Recorder
from kapp.minicluster.node.files import PodFiles, hosts_text, resolv_text
from kapp.minicluster.node.runtime import ProcessSpec, Runtime, RuntimeFailure
from kapp.minicluster.node.services import ServiceNetwork
from kapp.minicluster.node.state import ContainerState, PodState

# A ConfigMap that appears wakes the pod by itself; this is for a hostPath
_RETRY_VOLUMES_S = 2.0
_RETRY_SANDBOX_S = 1.0
_FIRST_HOST, _LAST_HOST = 2, 255 * 256  # 10.244.0.1 is the bridge; the last block is the shim's

Find = Callable[[str, str], Object | None]

_PULL_AGAIN_S = 1.0
"""After a pull that failed; the next one is put off for good."""


class PodSync:
    """What the reconciler does to a pod; holds nothing but how to do it."""

    def __init__(
        self,
        runtime: Runtime,
        containers: Containers,
        recorder: Recorder,
        network: ServiceNetwork,
        *,
        state_dir: Path,
        hidden: tuple[str, ...],
        node_name: str,
        now: Callable[[], datetime],
        capacity: Mapping[str, str],
        config_map: Find,
        secret: Find,
        claim_path: Callable[[str, str], Awaitable[str]],
        addresses: Callable[[], set[str]],
    ) -> None:
        self._runtime = runtime
        self._containers = containers
        self._recorder = recorder
        self._network = network
        self._state_dir = state_dir
        self._hidden = hidden
        self._node_name = node_name
        self._now = now
        self._capacity = capacity
        self._config_map = config_map
        self._secret = secret
        self._claim_path = claim_path
        self._addresses = addresses
        self._hosts = itertools.cycle(range(_FIRST_HOST, _LAST_HOST))
        self._memory: dict[tuple[str, str], str] = {}
        self._stamps = itertools.count()

    # -- the pod ---------------------------------------------------------------------------------

    async def sync(self, state: PodState) -> float | None:
        """Start what should run and does not; returns the seconds until it wants to look again."""
        pod = state.pod
        if state.started_at is None:
            state.started_at = self._now()
        if (again_s := self._deadline(state)) is not None and again_s <= 0:
            state.failed_reason = "DeadlineExceeded"
            state.failed_message = "Pod was active on the node longer than the specified deadline"
            self._recorder.pod(pod, "DeadlineExceeded", state.failed_message, warning=True)
        if status.phase(pod, state) in ("Succeeded", "Failed"):
            await self._finish(state)
            return None
        try:
            await self._prepare(state)
        except ConfigMissing as error:
            self._wait_for_volumes(state, error.message)
            return _RETRY_VOLUMES_S
        except (RuntimeFailure, OSError) as error:
            text = f"Failed to create pod sandbox: {error}"
            self._recorder.pod(pod, "FailedCreatePodSandBox", text, warning=True)
            state.problem = text
            return _RETRY_SANDBOX_S
        state.problem = ""
        waits = [again_s, *await self._run_containers(state)]
        if status.phase(pod, state) in ("Succeeded", "Failed"):
            await self._finish(state)
            return None
        return min((wait for wait in waits if wait is not None), default=None)

    def _deadline(self, state: PodState) -> float | None:
        limit = state.pod["spec"].get("activeDeadlineSeconds")
        if limit is None or state.started_at is None:
            return None
        return float(limit) - (self._now() - state.started_at).total_seconds()

    def _wait_for_volumes(self, state: PodState, message: str) -> None:
        if state.problem != message:
            self._recorder.pod(
                state.pod, "FailedMount", f"MountVolume.SetUp failed: {message}", warning=True
            )
        state.problem = message

    async def _finish(self, state: PodState) -> None:
        """A pod that has succeeded or failed: nothing of it goes on running."""
        running = state.running()
        grace_s = podspec.grace_period_s(state.pod)
        for container in running:
            self._containers.stop(state, container, grace_s)
        if not running:
            await self.remove_sandbox(state)

    async def remove_sandbox(self, state: PodState) -> None:
        """Kill whatever the pod still has, and drop its namespaces."""
        if state.sandbox:
            state.sandbox = False
            if self._runtime.running:
                await self._runtime.remove_pod(state.uid)

    async def discard(self, state: PodState) -> None:
        """The pod's object is gone: everything of it goes, at once."""
        state.terminating = True
        await self.remove_sandbox(state)
        for container in state.containers.values():
            if container.tasks is not None:
                await container.tasks.close()
        PodFiles(self._state_dir, state.pod).remove()
        for key in [key for key in self._memory if key[0] == state.uid]:
            del self._memory[key]

    # -- namespaces and volumes ------------------------------------------------------------------

    async def _prepare(self, state: PodState) -> None:
        files = PodFiles(self._state_dir, state.pod)
        files.make()
        host_network = bool(state.pod["spec"].get("hostNetwork"))
        if not state.sandbox:
            if self._runtime.mode == "processes" or host_network:
                state.address = self._runtime.address
                if self._runtime.mode == "processes":
                    state.address = "127.0.0.1"
            elif not state.address:
                state.address = self._free_address()
            await self._runtime.create_pod(
                state.uid, podspec.host_name(state.pod), state.address, host_network=host_network
            )
            state.sandbox = True
            for key in [key for key in self._memory if key[0] == state.uid]:
                del self._memory[key]
            self._write_names(state)
        facts = self.facts(state)
        for volume in state.pod["spec"].get("volumes") or ():
            await self._prepare_volume(state, volume, files, facts)

    def _free_address(self) -> str:
        taken = self._addresses()
        while True:
            high, low = divmod(next(self._hosts), 256)
            address = f"10.244.{high}.{low}"
            if low not in (0, 255) and address not in taken:
                return address

    async def _prepare_volume(
        self, state: PodState, volume: Mapping[str, Any], files: PodFiles, facts: Facts
    ) -> None:
        directory = files.volume(volume["name"])
        content = volumes.files_of(volume, facts)
        if content is not None:
            if not volumes.same(directory, content):
                stamp = f"{self._now():%Y_%m_%d_%H_%M_%S}.{next(self._stamps)}.{os.getpid()}"
                volumes.write_atomically(directory, content, stamp)
        elif "hostPath" in volume:
            volumes.prepare_host_path(volume["hostPath"])
        elif "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            state.claims[name] = await self._claim_path(state.key.namespace, name)
        elif (volume.get("emptyDir") or {}).get("medium") == "Memory":
            key = (state.uid, volume["name"])
            if key not in self._memory and self._runtime.mode == "namespaces":
                self._memory[key] = await self._runtime.memory_directory(*key)
        elif "emptyDir" in volume:
            volumes.empty_directory(directory)
        else:
            kind = next((k for k in volume if k != "name"), "unknown")
            raise ConfigMissing(
                f'volume "{volume["name"]}": the embedded cluster has no {kind} volumes'
            )

    def _sources(self, state: PodState) -> dict[str, str]:
        files, found = PodFiles(self._state_dir, state.pod), {}
        for volume in state.pod["spec"].get("volumes") or ():
            name = volume["name"]
            if "hostPath" in volume:
                found[name] = str(volume["hostPath"]["path"])
            elif "persistentVolumeClaim" in volume:
                found[name] = state.claims[volume["persistentVolumeClaim"]["claimName"]]
            else:
                found[name] = self._memory.get((state.uid, name)) or str(files.volume(name))
        return found

    def _write_names(self, state: PodState) -> None:
        files = PodFiles(self._state_dir, state.pod)
        files.write("hostname", podspec.host_name(state.pod) + "\n")
        files.write("resolv.conf", resolv_text(self._runtime.address, state.key.namespace))
        self.write_hosts(state)

    def write_hosts(self, state: PodState) -> None:
        """Bring the pod's /etc/hosts up to date; its containers see it at once."""
        spec = state.pod["spec"]
        name = podspec.host_name(state.pod)
        if domain := spec.get("subdomain"):
            name = f"{name}.{domain}.{state.key.namespace}.svc.cluster.local\t{name}"
        aliases = [
            (alias["ip"], " ".join(alias.get("hostnames") or ()))
            for alias in spec.get("hostAliases") or ()
        ]
        others = aliases + self._network.names(state.key.namespace)
        PodFiles(self._state_dir, state.pod).write("hosts", hosts_text(name, state.address, others))

    @staticmethod
    def references(spec: Mapping[str, Any]) -> set[str]:
        """Names of the ConfigMaps and Secrets that a pod's spec refers to anywhere."""
        names: set[str] = set()
        for volume in spec.get("volumes") or ():
            names |= {name for _, name in volumes.refers_to(volume)}
        for container in podspec.all_containers({"spec": spec}):
            sources = [
                *(entry.get("valueFrom") or {} for entry in container.get("env") or ()),
                *(container.get("envFrom") or ()),
            ]
            for source in sources:
                for field in ("configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef"):
                    if field in source:
                        names.add(source[field].get("name") or "")
        return names

    def facts(self, state: PodState) -> Facts:
        """What the pod's references are resolved against."""
        namespace = str(metadata_of(state.pod).get("namespace") or "")
        return Facts(
            state.pod, state.address, self._runtime.address, self._node_name,
            lambda name: self._config_map(namespace, name),
            lambda name: self._secret(namespace, name), self._capacity,
        )  # fmt: skip

    # -- containers ------------------------------------------------------------------------------

    async def _run_containers(self, state: PodState) -> list[float | None]:
        """Init containers in order, then the app containers; the waits that came up."""
        pod, waits = state.pod, []
        begun = any(state.containers[spec["name"]].attempts for spec in podspec.containers(pod))
        for spec in podspec.init_containers(pod):
            container = state.containers[spec["name"]]
            sidecar = podspec.is_sidecar(spec)
            ended = container.ended
            if not sidecar and (
                begun or (container.phase == "terminated" and ended and ended.exit_code == 0)
            ):
                continue
            if container.phase != "running":
                policy = "Always" if sidecar else podspec.restart_policy(pod)
                if policy == "Always" and not sidecar:
                    policy = "OnFailure"  # an init container that succeeded has done its work
                waits.append(await self._start(state, spec, container, policy))
            if not begun and not (sidecar and container.started):
                return waits
        policy = podspec.restart_policy(pod)
        for spec in podspec.containers(pod):
            container = state.containers[spec["name"]]
            if container.phase != "running":
                waits.append(await self._start(state, spec, container, policy))
        return waits

    async def _start(
        self, state: PodState, spec: dict[str, Any], container: ContainerState, policy: str
    ) -> float | None:
        """Start a container unless its policy or its backoff says no."""
        ended = container.ended
        if container.hopeless:
            return None
        if ended is not None:
            if policy == "Never" or (policy == "OnFailure" and ended.exit_code == 0):
                return None
            wait_s = container.not_before - asyncio.get_running_loop().time()
            if wait_s > 0:
                self._back_off(state, container)
                return wait_s
        await self._containers.start(state, spec)
        return _PULL_AGAIN_S if container.reason == images.PULL_FAILED else None

    def _back_off(self, state: PodState, container: ContainerState) -> None:
        if container.reason == "CrashLoopBackOff":
            return
        # the delay that is in force is half of what the next crash will earn
        delay_s = max(container.delay_s / 2, 0)
        name, uid = container.name, state.uid
        text = f"restarting failed container={name} pod={state.key.name}_{state.key.namespace}"
        container.last = container.ended
        pause = f"{int(delay_s)}s" if delay_s < 60 else f"{int(delay_s // 60)}m{int(delay_s % 60)}s"
        container.wait("CrashLoopBackOff", f"back-off {pause} {text}({uid})")
        self._recorder.pod(
            state.pod, "BackOff", f"Back-off {text}({uid})", warning=True, container=name
        )

    def process_spec(self, state: PodState, spec: dict[str, Any]) -> ProcessSpec:
        """What to start for a container's next instance. Raises ConfigMissing."""
        files = PodFiles(self._state_dir, state.pod)
        container = state.containers[spec["name"]]
        namespaces = self._runtime.mode == "namespaces"
        privileged = self._runtime.privileged
        own_uid, own_gid = (0, 0) if namespaces else (os.geteuid(), os.getegid())
        user = instance.user_of(state.pod, spec, own_uid=own_uid, own_gid=own_gid)
        if namespaces and not privileged:
            user = instance.User(0, 0, ())  # the only user there is in this user namespace
        message = files.message(spec["name"], container.attempts)
        system_files = {
            f"/etc/{name}": str(files.root / "etc" / name) for name in ("hosts", "hostname")
        }
        if not state.pod["spec"].get("hostNetwork"):
            system_files["/etc/resolv.conf"] = str(files.root / "etc" / "resolv.conf")
        if namespaces:
            message.parent.mkdir(parents=True, exist_ok=True)
            message.touch()
            message.chmod(0o666)
            target = spec.get("terminationMessagePath") or "/dev/termination-log"
            system_files[target] = str(message)
        return instance.process_spec(
            spec,
            self.facts(state),
            user=user,
            services=self._network.variables(state.key.namespace)
            if state.pod["spec"].get("enableServiceLinks") is not False
            else {},
            sources=self._sources(state),
            system_files=system_files,
            hidden=self._hidden,
            work_dir="/" if namespaces else str(files.work),
            namespaces=namespaces,
        )
