"""Where an engine keeps its files, and how a command finds it.

One engine runs per Kappfile. Its directory lies in the state directory, is named for the Kappfile's
real path, and holds:

    lock             held (flock) by the running engine: a directory whose lock is free is stale
    kapp.sock        the CLI's way in; the file's permission is its authentication
    kubeconfig       of kapp's own API, for kubectl and libraries; with tls.crt and tls.key kept for
                     the next engine, so that clients go on with it
    project.json     what `kapp down` and `kapp list` need to know, kept after the engine ended

Imported by `kapp get`'s instant path, so it stays within the cheapest part of the standard library:
no pathlib, typing, dataclasses, hashlib or json at the top.
"""

from __future__ import annotations

import os

KAPPFILE = "Kappfile"

# sun_path holds 108 bytes on Linux and 104 on macOS, its terminating zero included.
_SOCKET_PATH_LIMIT_BYTES = 100
# `is_running` holds the lock for some microseconds; an engine that starts then must not give up.
_LOCK_ATTEMPTS = 10
_LOCK_RETRY_S = 0.01
# A file name may have 255 bytes on all common file systems; the rest is left for a hash.
_NAME_LIMIT_BYTES = 200


class Instance:
    """The files of the engine of one Kappfile. Making one touches nothing."""

    __slots__ = ("directory", "kappfile")

    def __init__(self, kappfile: str) -> None:
        self.kappfile = os.path.realpath(kappfile)
        self.directory = f"{state_directory()}/instances/{_name_for(self.kappfile)}"

    @property
    def lock(self) -> str:
        """Path of the lock file."""
        return f"{self.directory}/lock"

    @property
    def kubeconfig(self) -> str:
        """Path of the kubeconfig of kapp's own API (mode 0600)."""
        return f"{self.directory}/kubeconfig"

    @property
    def description(self) -> str:
        """Path of the description, a JSON object (see `describe`)."""
        return f"{self.directory}/project.json"

    @property
    def socket(self) -> str:
        """Path of the Unix socket: in the directory, or in a short private one if that is long."""
        path = f"{self.directory}/kapp.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT_BYTES:
            return path
        return f"{short_directory()}/{_hash(path)}.sock"

    def prepare(self) -> None:
        """Make the directory (0700), and the socket's if it lies elsewhere.

        Raises PermissionError if the short directory belongs to somebody else.
        """
        for directory in (os.path.dirname(self.directory), self.directory):
            os.makedirs(directory, mode=0o700, exist_ok=True)  # the mode is the last one's only
        os.chmod(self.directory, 0o700)
        parent = os.path.dirname(self.socket)
        if parent != self.directory:
            os.makedirs(parent, mode=0o700, exist_ok=True)
            _check_private(parent)

    def acquire(self) -> int | None:
        """Take the lock; returns a file descriptor to keep, or None if an engine holds it."""
        import fcntl
        import select

        self.prepare()
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for attempt in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt + 1 < _LOCK_ATTEMPTS:
                    select.select((), (), (), _LOCK_RETRY_S)
            else:
                return descriptor
        os.close(descriptor)
        return None

    def is_running(self) -> bool:
        """Whether an engine holds the lock."""
        import fcntl

        try:
            descriptor = os.open(self.lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            # A shared lock: two commands that look at the same time do not see each other.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def describe(self) -> dict[str, object]:
        """The description that the last engine wrote, or {} if there is none that can be read.

        Keys: kappfile, pid, project, startedAt, cluster{kubeconfig, context, namespace}.
        """
        import json

        try:
            with open(self.description, encoding="utf-8") as file:
                value = json.load(file)
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def write_description(self, value: dict[str, object]) -> None:
        """Replace the description at once and for good (a reader never sees half of it)."""
        import json

        temporary = f"{self.description}.{os.getpid()}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
        os.replace(temporary, self.description)


def state_directory() -> str:
    """`$KAPP_STATE_DIR`, else `$XDG_STATE_HOME/kapp`, else `~/.local/state/kapp`; absolute."""
    if path := os.environ.get("KAPP_STATE_DIR"):
        return os.path.abspath(path)
    if base := os.environ.get("XDG_STATE_HOME"):
        return os.path.join(os.path.abspath(base), "kapp")
    return os.path.expanduser("~/.local/state/kapp")


def short_directory() -> str:
    """A private directory with a short path, for sockets: `$XDG_RUNTIME_DIR` or the temp one."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return f"{runtime}/kapp"
    return f"{os.environ.get('TMPDIR', '/tmp').rstrip('/')}/kapp-{os.getuid()}"


def find_kappfile(start: str) -> str | None:
    """The Kappfile in `start` or in the nearest directory above it."""
    directory = os.path.realpath(start)
    while True:
        path = f"{directory.rstrip('/')}/{KAPPFILE}"
        if os.path.isfile(path):
            return path
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def all_instances() -> list[Instance]:
    """Every project whose engine ran on this machine and whose description can be read."""
    root = f"{state_directory()}/instances"
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    found = []
    for name in names:
        probe = Instance.__new__(Instance)
        probe.directory = f"{root}/{name}"
        kappfile = probe.describe().get("kappfile")
        if isinstance(kappfile, str):
            probe.kappfile = kappfile
            found.append(probe)
    return found


def _name_for(kappfile: str) -> str:
    """A file name for a path, one to one: `/` is `+`, and `+` and `%` are escaped."""
    name = kappfile.replace("%", "%25").replace("+", "%2B").strip("/").replace("/", "+")
    if len(os.fsencode(name)) > _NAME_LIMIT_BYTES:
        name = f"{name[-60:]}+{_hash(kappfile)}"
    return name


def _hash(text: str) -> str:
    import hashlib

    return hashlib.blake2b(os.fsencode(text), digest_size=10).hexdigest()


def _check_private(path: str) -> None:
    info = os.lstat(path)
    if info.st_uid != os.getuid() or info.st_mode & 0o077:
        raise PermissionError(f"{path} must belong to you alone (mode 0700)")
