"""What a container's next instance is started with: command, user, environment, mounts.

Pure but for the volumes' directories, which must exist.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kapp.machinery.objects import Object
from kapp.minicluster.node import environment, volumes
from kapp.minicluster.node.environment import ConfigMissing, Facts
from kapp.minicluster.node.runtime import Mount, ProcessSpec

# linux/capability.h, in order of number
_CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
    "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO "
    "SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG "
    "WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


class MountImpossible(ConfigMissing):
    """Without namespaces a volume cannot be mounted."""


@dataclass(frozen=True)
class User:
    """Who a container runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def command_of(container: Mapping[str, Any]) -> list[str]:
    """The command and its arguments, unexpanded; `images` has seen to it that there is one."""
    command = [str(part) for part in container.get("command") or ()]
    return command + [str(part) for part in container.get("args") or ()]


def user_of(pod: Object, container: Mapping[str, Any], *, own_uid: int, own_gid: int) -> User:
    """The user that the security contexts ask for. Raises ConfigMissing.

    `own_uid` and `own_gid` are those of a container that asks for nothing.
    """
    context = {
        **(pod["spec"].get("securityContext") or {}),
        **(container.get("securityContext") or {}),
    }
    uid = int(context.get("runAsUser", own_uid))
    if context.get("runAsNonRoot") and uid == 0:
        raise ConfigMissing(
            "container has runAsNonRoot and would run as root: the embedded cluster has no image "
            "to take a user from; set runAsUser"
        )
    gid = own_gid
    if "runAsGroup" in context:
        gid = int(context["runAsGroup"])
    elif uid != own_uid:
        try:
            gid = pwd.getpwuid(uid).pw_gid
        except KeyError:
            gid = 0
    groups = [int(group) for group in context.get("supplementalGroups") or ()]
    if "fsGroup" in context:
        groups.append(int(context["fsGroup"]))
    return User(uid, gid, tuple(groups))


def _capabilities(container: Mapping[str, Any]) -> tuple[int, ...]:
    context = container.get("securityContext") or {}
    added = (context.get("capabilities") or {}).get("add") or ()
    if "ALL" in added:
        return tuple(range(len(_CAPABILITIES)))
    names = [str(name).removeprefix("CAP_") for name in added]
    return tuple(_CAPABILITIES.index(name) for name in names if name in _CAPABILITIES)


def mounts_of(
    container: Mapping[str, Any], sources: Mapping[str, str], expand: Callable[[str], str]
) -> list[Mount]:
    """The container's volume mounts, outer before inner. Raises ConfigMissing.

    `sources` are the volumes' directories (or files) by volume name.
    """
    mounts = []
    for entry in container.get("volumeMounts") or ():
        source = sources.get(entry["name"])
        if source is None:
            raise ConfigMissing(f'volume "{entry["name"]}" is not among the pod\'s volumes')
        part = entry.get("subPath") or expand(entry.get("subPathExpr") or "")
        if part:
            source = volumes.sub_path(source, part)
        target = os.path.normpath("/" + str(entry["mountPath"]))
        mounts.append(Mount(source, target, bool(entry.get("readOnly"))))
    return sorted(mounts, key=lambda mount: mount.target.count("/") if mount.target != "/" else 0)


def process_spec(
    container: dict[str, Any],
    facts: Facts,
    *,
    user: User,
    services: Mapping[str, str],
    sources: Mapping[str, str],
    system_files: Mapping[str, str],
    hidden: tuple[str, ...],
    work_dir: str,
    namespaces: bool,
) -> ProcessSpec:
    """All that the runtime needs to start the container. Raises ConfigMissing.

    `system_files` are files of the node's by their path in the container (/etc/hosts and others).
    """
    command = command_of(container)
    env = environment.build(container, facts, uid=user.uid, services=services)
    mounts = mounts_of(container, sources, lambda text: environment.expand(text, env))
    if not namespaces:
        for mount in mounts:
            if mount.source != mount.target:
                raise MountImpossible(
                    f"the volume at {mount.target} cannot be mounted: pods are plain processes "
                    f"here, without mount namespaces (`kapp cluster status` says why)"
                )
        mounts = []
    else:
        taken = {mount.target for mount in mounts}
        mounts += [Mount(s, t) for t, s in system_files.items() if t not in taken]
    context = container.get("securityContext") or {}
    return ProcessSpec(
        argv=[environment.expand(part, env) for part in command],
        env=env | ({"TERM": "xterm"} if container.get("tty") and "TERM" not in env else {}),
        cwd=container.get("workingDir") or work_dir,
        uid=user.uid,
        gid=user.gid,
        groups=user.groups,
        tty=bool(container.get("tty")),
        privileged=bool(context.get("privileged")),
        capabilities=_capabilities(container),
        may_gain_privileges=context.get("allowPrivilegeEscalation") is not False,
        mounts=mounts,
        hidden=hidden,
        read_only_root=bool(context.get("readOnlyRootFilesystem")),
    )
