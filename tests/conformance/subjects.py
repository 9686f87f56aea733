"""What the scenarios run on: ConfigMaps of several servers, and what differs by nature among them.

kapp       kapp's API: group kapp.dev, no namespaces, a custom kind
embedded   the embedded cluster: the core group, in namespaces
defined    the embedded cluster again: a custom resource in the shape of kapp's ConfigMap
real       a real cluster (KAPP_TEST_KUBECONFIG): the core group
custom     the real cluster again: the custom resource
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KUBECTL = str(Path(sys.executable).parent / "kubectl")
DEADLINE_S = 40.0
_POLL_S = 0.02


# What kubectl's client library notes of a request that timed out (klog's header), now and then.
_LOG_LINE = re.compile(r"^[IWEF]\d{4} .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Subject:
    """A kind that a server serves.

    Attributes:
        name: what it is called in failures.
        kubeconfig: path of the server's kubeconfig.
        home: the directory that kubectl may write to.
        group: its API group; "" for the core group.
        version: its API version.
        namespace: where its objects are; "" if it has no namespaces.
        builtin: whether kubectl knows its type (strategic patches, a describer of its own).
    """

    name: str
    kubeconfig: Path
    home: Path
    group: str
    version: str
    namespace: str
    builtin: bool

    @property
    def api_version(self) -> str:
        """As manifests say it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def resource(self) -> str:
        """As command lines say it."""
        return f"configmaps.{self.group}" if self.group else "configmaps"

    def environment(self) -> dict[str, str]:
        """For kubectl."""
        return {
            "HOME": str(self.home),
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": os.environ["PATH"],
            "TERM": "dumb",
        }

    def kubectl(
        self, *arguments: str, stdin: str = "", editor: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end."""
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment(), "KUBE_EDITOR": editor},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )

    def command(self, *arguments: str) -> list[str]:
        """The words of a kubectl command in the subject's namespace."""
        place = ["-n", self.namespace] if self.namespace else []
        return [KUBECTL, *place, *arguments]


@dataclass(frozen=True)
class Step:
    """What came of one command.

    Attributes:
        title: the command.
        text: what it printed, normalised, and its exit code.
        outcome: what is compared between a kind that kubectl knows and one that it does not.
    """

    title: str
    text: str
    outcome: str


@dataclass
class Transcript:
    """Runs kubectl on one subject, and keeps what a user of any server would see the same."""

    subject: Subject
    steps: list[Step] = field(default_factory=list)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _uids: dict[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *arguments: str,
        stdin: str = "",
        editor: str = "",
        view: Callable[[str], str] = str,
        by_kind: bool = False,
        any_words: bool = False,
    ) -> str:
        """Run kubectl and note what came of it; returns its stdout as it is.

        `CM` among the arguments (also in `CM/name`) is the subject's resource. `view` says which
        part of stdout is compared. With `by_kind` Kubernetes words the answer in one way for its
        own kinds and in another for custom ones: between those the exit code is compared.
        `any_words` compares no more than that and the reason on any server, for sentences that
        come out of a parser's insides.
        """
        words = [re.sub(r"\bCM\b", self.subject.resource, word) for word in arguments]
        done = self.subject.kubectl(*words, stdin=stdin, editor=editor)
        said = _LOG_LINE.sub("", done.stderr)
        text = f"{view(self.normal(done.stdout))}{self.normal(said)}"
        code = f"[exit {done.returncode}]"
        if any_words:
            text = f"{text.partition(':')[0]} "
        self.note(" ".join(arguments), f"{text}{code}", code if by_kind else "")
        return done.stdout

    def begin(self, *arguments: str) -> Background:
        """Start a kubectl command that goes on."""
        words = [re.sub(r"\bCM\b", self.subject.resource, word) for word in arguments]
        return Background(self, " ".join(arguments), self.subject.command(*words))

    def quiet(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl without a note; fails the test if it fails. Returns stdout."""
        words = [re.sub(r"\bCM\b", self.subject.resource, word) for word in arguments]
        done = self.subject.kubectl(*words, stdin=stdin)
        assert not done.returncode, f"{self.subject.name}: {arguments}: {done.stderr}"
        return done.stdout

    def close(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.kill()
            process.wait()

    def note(self, title: str, text: str, outcome: str = "") -> None:
        """Add something to be compared; see Step."""
        self.steps.append(Step(title, text, outcome or text))

    def eventually(self, *arguments: str, until: Callable[[str], bool]) -> str:
        """Run kubectl again and again, without a note, until its stdout is as wanted."""
        deadline = time.monotonic() + DEADLINE_S
        while not until(text := self.quiet(*arguments)):
            assert time.monotonic() < deadline, f"{self.subject.name}: {arguments}: {text}"
            time.sleep(_POLL_S)
        return text

    def manifest(self, name: str, data: dict[str, str] | None = None, **more: Any) -> str:
        """A ConfigMap as JSON; `more` goes to its metadata, but for `top`, which goes beside it."""
        import json

        top = more.pop("top", {})
        metadata = {"name": name, **more} if name else more
        body = {"apiVersion": self.subject.api_version, "kind": "ConfigMap", "metadata": metadata}
        return json.dumps({**body, "data": data or {"key": "value"}, **top})

    def normal(self, text: str) -> str:
        """The text without what differs between any two servers, or any two runs."""
        subject = self.subject
        if subject.namespace:
            place = re.escape(subject.namespace)
            text = re.sub(rf',?\s*(\\*)"namespace\\*": ?\\*"{place}\\*"', "", text)
            text = text.replace(f'Namespace: "{subject.namespace}"', 'Namespace: ""')
            text = re.sub(rf"^[-+ ]*namespace: {place}\n", "", text, flags=re.MULTILINE)
            text = re.sub(rf" ?namespace:{place}|^Namespace: +{place}\n", "", text, flags=re.M)
            text = re.sub(rf" (from|in) {place} namespace\.?", "", text)
            text = text.replace(f"({subject.namespace}/", "(/")
        if subject.group:
            text = text.replace(subject.api_version, "v1").replace(f".{subject.group}", "")
            text = text.replace(subject.group, "").replace(f'"{subject.version}"', '"v1"')
        text = re.sub(_UUID, self._uid, text)
        for pattern, plain in _NORMAL:
            text = re.sub(pattern, plain, text, flags=re.MULTILINE)
        return text

    def _uid(self, found: re.Match[str]) -> str:
        return self._uids.setdefault(found.group(), f"UID{len(self._uids) + 1}")


class Background:
    """A kubectl command that runs while others do; what it prints is noted at its end."""

    def __init__(self, transcript: Transcript, title: str, command: list[str]) -> None:
        self._transcript = transcript
        self._title = title
        self._output = transcript.subject.home / f"output-{uuid.uuid4().hex}"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=transcript.subject.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        transcript.running.append(self._process)

    def has_printed(self, text: str) -> bool:
        """Whether `text` is among what it has printed so far."""
        return text in self._output.read_text()

    def until(self, text: str, *, view: Callable[[str], str] | None = None) -> None:
        """Wait until it has printed `text`; with `view`, then end it and note what it printed."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in (printed := self._output.read_text()) or not printed.endswith("\n"):
            assert self._process.poll() is None, f"{self._title}: {printed}"
            assert time.monotonic() < deadline, f"{self._title}: {printed}"
            time.sleep(_POLL_S)
        if view is not None:
            self._process.kill()
            self._process.wait()
            self._transcript.note(self._title, view(self._transcript.normal(printed)))

    def end(self) -> None:
        """Wait for its end, and note its exit code."""
        code = self._process.wait(DEADLINE_S)
        self._transcript.note(self._title, f"[exit {code}]")


_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NORMAL: list[tuple[str, str]] = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| [+-]\d{4})", "TIME"),
    (r'(resourceVersion"?: ?"?|Resource Version: +)\d+', r"\1VERSION"),
    (r"resourceVersion:\d+", "resourceVersion:VERSION"),
    (r'patch: Invalid value: ".*": ', "patch: Invalid value: OBJECT: "),
    # Kubernetes calls that its own failure, a 500
    (r"Error from server \(BadRequest\)(?=: failed to create typed)", "Error from server"),
    (r'"group":"",', ""),
    # of the registry's own storage
    (r"StorageError: .*AdditionalErrorMsg: ", ""),
    (r"\b(web)-[0-9a-f]{5,10}\b", r"\1-HASH"),
    # what a custom kind has and a ConfigMap of the core group has not
    (r'^ *"generation": \d+,\n|^[-+ ]*generation: \d+\n', ""),
    (r'"generation":\d+, ?| ?generation:\d+', ""),
    (r"\bgen-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "gen-SUFFIX"),
    (r"(?<=\S)[ \t]+(?:\d+[smh])+(?=[ \t]|$)", "  AGE"),
    (r"(?<=\S)[ \t]{2,}(?=\S)", "  "),
    (r"/tmp/(LIVE|MERGED)-\d+", r"/tmp/\1"),
    (r"/tmp/kubectl-edit-\d+\.yaml", "/tmp/EDIT"),
    (r"^diff -u.*\n|^(?:---|\+\+\+) /tmp.*\n", ""),
    (r'(?<=["; (])/v1, ', "v1, "),
    (r"^[IW]\d{4} [^\]]*\] ", "LOG "),
    # of a watch that the end of its time stops
    (r"^LOG .*very short watch.*\n", ""),
    (r"^.*kube-root-ca\.crt.*\n", ""),
]
