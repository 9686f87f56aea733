"""Tries a readiness probe while a command runs.

Source: k8s.io/kubernetes/pkg/kubelet/prober/worker.go. One difference, for the inner loop's sake:
until it first succeeds, it is also tried early, at growing intervals below its period; such a try
can only succeed, its failure does not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
from collections.abc import Callable, Mapping

from kapp.api.v1alpha1.probe import ExecAction, HTTPGetAction, Probe

_FIRST_EARLY_TRY_S = 0.05  # what a fast server needs to listen
_EARLY_GROWTH = 1.6


class Prober:
    """Probes until cancelled.

    Args:
        probe: what to do.
        directory: where commands run.
        env: their environment.
        on_verdict: told whether it is ready, and why not, when that changes.
    """

    def __init__(
        self,
        probe: Probe,
        directory: str,
        env: Mapping[str, str],
        on_verdict: Callable[[bool, str], None],
    ) -> None:
        self._probe = probe
        self._directory = directory
        self._env = env
        self._on_verdict = on_verdict

    async def run(self) -> None:
        """Never returns."""
        probe, loop = self._probe, asyncio.get_running_loop()
        await asyncio.sleep(probe.initial_delay_seconds)
        early_s, next_s = _FIRST_EARLY_TRY_S, loop.time() + probe.period_seconds
        ready: bool | None = None
        successes = failures = 0
        while True:
            counts = loop.time() >= next_s
            if counts:
                next_s = loop.time() + probe.period_seconds
            trouble = await self._try()
            if not trouble:
                successes, failures = successes + 1, 0
            elif counts:
                successes, failures = 0, failures + 1
            if successes >= probe.success_threshold and ready is not True:
                ready = True
                self._on_verdict(True, "")
            if failures >= probe.failure_threshold and ready is not False:
                ready = False
                self._on_verdict(False, trouble)
            wait_s = max(0.0, next_s - loop.time())
            if ready is None:
                wait_s, early_s = min(wait_s, early_s), early_s * _EARLY_GROWTH
            await asyncio.sleep(wait_s)

    async def _try(self) -> str:
        """Why it does not succeed, or ""."""
        probe = self._probe
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                if probe.exec is not None:
                    return await self._exec(probe.exec)
                if probe.http_get is not None:
                    return await _get(probe.http_get)
                if probe.tcp_socket is not None:
                    action = probe.tcp_socket
                    _, writer = await asyncio.open_connection(
                        action.host or "localhost", action.port
                    )
                    writer.close()
        except TimeoutError:
            return f"readiness probe: no answer within {probe.timeout_seconds} s"
        except (OSError, ValueError) as error:
            return f"readiness probe: {error}"
        return ""

    async def _exec(self, action: ExecAction) -> str:
        process = await asyncio.create_subprocess_exec(
            *action.command,
            cwd=self._directory,
            env=dict(self._env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.shield(process.wait())
            raise
        return f"readiness probe: exit code {code}" if code else ""


async def _get(action: HTTPGetAction) -> str:
    host = action.host or "localhost"
    context = _unverified() if action.scheme.upper() == "HTTPS" else None
    reader, writer = await asyncio.open_connection(host, action.port, ssl=context)
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    headers = {"host": f"{host}:{action.port}", "user-agent": "kube-probe/kapp", "accept": "*/*"}
    headers |= {header.name.lower(): header.value for header in action.http_headers}
    headers["connection"] = "close"
    try:
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        words = (await reader.readline()).split(None, 2)
    finally:
        writer.close()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return "readiness probe: the answer is no HTTP"
    code = int(words[1])
    return "" if 200 <= code < 400 else f"readiness probe: HTTP status {code}"


def _unverified() -> ssl.SSLContext:
    """Probes do not check certificates (kubelet: InsecureSkipVerify)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
