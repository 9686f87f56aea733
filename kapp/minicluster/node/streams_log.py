"""`kubectl logs`: the pods/log subresource. Source: pkg/kubelet/kuberuntime/logs/logs.go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from aiohttp import web

from kapp.machinery.objects import Object, metadata_of, name_of
from kapp.machinery.status import bad_request
from kapp.minicluster.node import images
from kapp.minicluster.node.logfile import LogFile, parse_line, timestamp
from kapp.minicluster.node.state import ContainerState
from kapp.minicluster.node.streams import chosen_container

if TYPE_CHECKING:
    from kapp.minicluster.node.kubelet import Node

_CHUNK_BYTES = 1 << 16
_RFC3339 = re.compile(r"(.*?:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_STREAMS = {"": b"", "All": b"", "Stdout": b"stdout", "Stderr": b"stderr"}


@dataclass(frozen=True)
class Options:
    """PodLogOptions, checked. `since` is compared as text with the file's times."""

    container: str
    follow: bool
    previous: bool
    timestamps: bool
    since: bytes
    tail: int | None
    limit: int | None
    stream: bytes


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "false").lower() in ("true", "1", "")


def _number(query: Mapping[str, str], name: str, least: int) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        value = int(text)
    except ValueError:
        raise bad_request(f"{name}: invalid value {text!r}") from None
    if value < least:
        raise bad_request(
            f"{name}: Invalid value: {value}: must be greater than or equal to {least}"
        )
    return value


def _nanoseconds(text: str) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise bad_request(f"sinceTime: cannot parse {text!r} as RFC 3339")
    whole = datetime.fromisoformat(match[1] + match[3])
    return int(whole.timestamp()) * 1_000_000_000 + int((match[2] or "").ljust(9, "0")[:9])


def options_of(query: Mapping[str, str], pod: Object, now: datetime) -> Options:
    """Read a request's query. Raises ApiError."""
    seconds, moment = _number(query, "sinceSeconds", 1), query.get("sinceTime")
    if seconds is not None and moment:
        raise bad_request("at most one of sinceTime or sinceSeconds may be specified")
    since = b""
    if moment:
        since = timestamp(_nanoseconds(moment))
    elif seconds is not None:
        start = now.astimezone(UTC) - timedelta(seconds=seconds)
        since = timestamp(int(start.timestamp() * 1e6) * 1000)
    stream = query.get("stream", "")
    if stream not in _STREAMS:
        raise bad_request(f'stream: Unsupported value: "{stream}"')
    return Options(
        chosen_container(pod, query.get("container", "")),
        _flag(query, "follow"),
        _flag(query, "previous"),
        _flag(query, "timestamps"),
        since,
        _number(query, "tailLines", 0),
        _number(query, "limitBytes", 1),
        _STREAMS[stream],
    )


def tail_offset(file: BinaryIO, lines: int) -> tuple[int, int]:
    """Where the last `lines` lines begin, and how many there are. The file ends with a newline."""
    position = end = file.seek(0, 2)
    if lines == 0:
        return end, 0
    found = 0
    while position:
        size = min(_CHUNK_BYTES, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = size
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            if found > lines:
                return position + at + 1, lines
    return 0, found


class _Output:
    """Turns lines of the file into the response, up to the limit."""

    def __init__(self, response: web.StreamResponse, options: Options) -> None:
        self._response = response
        self._options = options
        self._left = options.limit
        self._at_line_start = True

    async def write(self, raw_lines: list[bytes]) -> bool:
        """False when the limit is reached."""
        chunks = []
        for raw in raw_lines:
            line = parse_line(raw)
            if line.time < self._options.since:
                continue
            if self._options.stream and line.stream != self._options.stream:
                continue
            # only before a line's first piece: `isNewLine` in the source named above
            stamped = self._options.timestamps and self._at_line_start
            prefix = line.time + b" " if stamped else b""
            self._at_line_start = line.whole
            chunks.append(prefix + line.text + (b"\n" if line.whole else b""))
        data = b"".join(chunks)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            await self._response.write(data)
        return self._left is None or self._left > 0


class LogStreams:
    """Answers pods/log from the files of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def log(self, request: web.Request, pod: Object) -> web.StreamResponse:
        """GET …/log."""
        options = options_of(request.query, pod, self._node.now())
        path, live = self._find(pod, options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        output = _Output(response, options)
        await self._send(path, live if options.follow else None, options, output)
        await response.write_eof()
        return response

    def _find(self, pod: Object, options: Options) -> tuple[Path, LogFile | None]:
        """The file of the wanted instance, and its writer while it runs. Raises ApiError."""
        name = options.container
        state = self._node.state_of(pod)
        container = state.containers.get(name) if state is not None else None
        if container is not None:
            restart, begun = container.restart_count, container.attempts > 0
        else:
            entry = _status_entry(pod, name)
            restart, begun = int(entry.get("restartCount") or 0), bool(entry.get("containerID"))
        files = self._node.files_of_pod(pod)
        if options.previous:
            if not begun or restart == 0 or not files.log(name, restart - 1).exists():
                raise bad_request(
                    f'previous terminated container "{name}" in pod "{name_of(pod)}" not found'
                )
            return files.log(name, restart - 1), None
        if not begun:
            raise bad_request(
                f'container "{name}" in pod "{name_of(pod)}" is waiting to start: '
                f"{_why(container, pod, name)}"
            )
        live = container.log if container is not None else None
        return files.log(name, restart), live

    async def _send(
        self, path: Path, live: LogFile | None, options: Options, output: _Output
    ) -> None:
        old = path.with_name(path.name + ".1")
        tail = options.tail
        try:
            file: BinaryIO = path.open("rb")
        except FileNotFoundError:
            return
        try:
            offset = 0
            if tail is not None:
                offset, found = tail_offset(file, tail)
                tail -= found
            if (tail is None or tail > 0) and old.exists():
                with old.open("rb") as before:
                    before.seek(tail_offset(before, tail)[0] if tail is not None else 0)
                    if not await _copy(before, output):
                        return
            file.seek(offset)
            if live is None:
                await _copy(file, output)
            else:
                file = await _follow(file, live, output)
        finally:
            file.close()


def _status_entry(pod: Object, name: str) -> dict[str, Any]:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(field) or ():
            if entry.get("name") == name:
                return dict(entry)
    return {}


def _why(container: ContainerState | None, pod: Object, name: str) -> str:
    if container is not None:
        pulling = {
            images.PULL_FAILED: "image can't be pulled",
            images.BACK_OFF: "trying and failing to pull image",
        }
        return pulling.get(container.reason) or container.message or container.reason
    waiting = (_status_entry(pod, name).get("state") or {}).get("waiting") or {}
    if not metadata_of(pod).get("uid"):
        return "ContainerCreating"
    return str(waiting.get("reason") or "ContainerCreating")


async def _copy(file: BinaryIO, output: _Output) -> bool:
    """Send every complete line from here to the end; False when the limit is reached."""
    while lines := file.readlines(_CHUNK_BYTES):
        if not lines[-1].endswith(b"\n"):
            file.seek(-len(lines[-1]), 1)
            if not (lines := lines[:-1]):
                return True
        if not await output.write([line[:-1] for line in lines]):
            return False
    return True


async def _follow(file: BinaryIO, live: LogFile, output: _Output) -> BinaryIO:
    """Send lines as they are written, until the container's instance ends.

    Returns the file that is open at the end: another one after a rotation.
    """
    changed, stop = live.watch()
    generation = live.generation
    try:
        while True:
            changed.clear()
            closed, now_at = live.closed.is_set(), live.generation
            if not await _copy(file, output):
                return file
            if now_at != generation:
                generation = now_at
                file.close()
                file = live.path.open("rb")
                continue
            if closed:
                return file
            if live.generation == generation and not live.closed.is_set():
                await changed.wait()
    finally:
        stop()
