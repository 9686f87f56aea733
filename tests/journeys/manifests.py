"""Manifests for journeys: small, quick to start, the same on every cluster."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def web(page: str = "one", *, name: str = "web") -> str:
    """The example's Deployment under another name, with another page."""
    text = (EXAMPLES / "kubernetes.yaml").read_text()
    return text.replace("Hello from example-go", page).replace("example-go", name)


def config_map(name: str, value: str = "one", *, metadata: str = "") -> str:
    """A ConfigMap that holds one value; further documents may follow it."""
    return f"""\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}{metadata}}}
data: {{value: {value}}}
---
"""


def podless(name: str) -> str:
    """The spec of a Deployment without pods, which ends its manifest."""
    return f"""\
spec:
  replicas: 0
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: c, image: "busybox:1.36"}}]}}
"""


def python_workload(
    code: str,
    *,
    name: str,
    container: str,
    arguments: Sequence[str] = (),
    kind: str = "Deployment",
    spec: str = "",
    pod: str = "",
    grace_s: int = 5,
) -> str:
    """A workload whose pods run Python code.

    `spec`, `pod` and `container` are lines of YAML for these levels; `container` has its name and
    the command, whose last argument but for `arguments` is the code.
    """
    more = "".join(f'- "{one}"\n' for one in arguments)
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata:
  name: {name}
spec:
{indent(spec, "  ")}  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      terminationGracePeriodSeconds: {grace_s}
      automountServiceAccountToken: false
      enableServiceLinks: false
{indent(pod, "      ")}      containers:
      - image: python:3.13-alpine
{indent(container, "        ")}        args:
        - |
{indent(code, "          ")}{indent(more, "        ")}"""


_SERVER = """\
import http.server, os, signal, sys, threading, time
page, delay, flip = os.environ["PAGE"], float(os.environ["DELAY"]), float(os.environ["FLIP"])
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
time.sleep(delay)
stopping, connections = threading.Event(), set()

class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        connections.add(self)
        super().handle()
        connections.discard(self)

    def do_GET(self):
        good = self.path != "/ready" or not flip or time.monotonic() // flip % 2
        body = f"{page} {os.environ['HOSTNAME']} {since:.6f}".encode()
        head = f"HTTP/1.1 {200 if good else 503} -\\r\\nContent-Length: {len(body)}\\r\\n"
        if stopping.is_set():
            head += "Connection: close\\r\\n"
            self.close_connection = True
        self.wfile.write(head.encode() + b"\\r\\n" + body)

    def log_message(self, form, *args):
        pass

server = http.server.ThreadingHTTPServer(("", 8000), Page)
since = time.monotonic()
print("serving", page, flush=True)
if os.environ["DRAINS"]:  # not by a handler: what it interrupts may hold a lock
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
while not os.environ["DRAINS"]:
    signal.pause()
signal.sigwait([signal.SIGTERM])
stopping.set()
server.shutdown()
server.server_close()
patience = time.monotonic() + 2
while connections and time.monotonic() < patience:
    time.sleep(0.005)
"""


def server(
    page: str,
    *,
    name: str = "web",
    recreate: bool = False,
    probe: bool = True,
    delay_s: float = 0,
    flip_s: float = 0,
    drains: bool = False,
) -> str:
    """A Deployment that answers with its page, its pod's name, and since when it listens.

    It begins to listen `delay_s` after its start (by the machine's monotonic clock); its readiness
    changes every `flip_s`. On SIGTERM it ends at once, whatever it is doing; one that `drains`
    finishes what it was asked, as web servers do.
    """
    strategy = "Recreate" if recreate else "RollingUpdate"
    readiness = "{httpGet: {path: /ready, port: 8000}, periodSeconds: 1, failureThreshold: 1}"
    return python_workload(
        _SERVER,
        name=name,
        spec=f"replicas: 1\nstrategy: {{type: {strategy}}}\n",
        container=f"""\
name: web
command: [python3, -u, -c]
env:
- {{name: PAGE, value: "{page}"}}
- {{name: DELAY, value: "{delay_s}"}}
- {{name: FLIP, value: "{flip_s}"}}
- {{name: DRAINS, value: "{"yes" if drains else ""}"}}
ports: [{{containerPort: 8000}}]
"""
        + (f"readinessProbe: {readiness}\n" if probe else ""),
    )
