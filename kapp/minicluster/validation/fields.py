"""Field errors in the words of the API server.

Source: k8s.io/apimachinery/pkg/util/validation/field/errors.go (the sentences) and
k8s.io/apimachinery/pkg/util/validation/validation.go (the formats of names, keys and ports).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from kapp.machinery.metadata import label_value_problem, qualified_name_problem
from kapp.machinery.status import Cause

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME = re.compile(r"[-a-z0-9]+")
_ENV_NAME = re.compile(r"[ -<>-~]+")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

LABEL_MAX = 63
SUBDOMAIN_MAX = 253
PORT_NAME_MAX = 15
IMMUTABLE = "field is immutable"
MAX_PORT = 65535


def regex_error(text: str, pattern: str, *examples: str) -> str:
    """`text`, with examples and the pattern, as `RegexError` words it."""
    quoted = "',  or '".join(examples)
    sentence = f"{text} (" + (f"e.g. '{quoted}', " if examples else "")
    return f"{sentence}regex used for validation is '{pattern}')"


class Errors:
    """Collects causes; each method adds one."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []

    def required(self, path: str, detail: str = "") -> None:
        """`Required value`."""
        self._add(path, "Required value", detail, "FieldValueRequired")

    def invalid(self, path: str, value: Any, detail: str) -> None:
        """`Invalid value: …`."""
        self._add(path, f"Invalid value: {_shown(value)}", detail, "FieldValueInvalid")

    def unsupported(self, path: str, value: Any, supported: Iterable[str]) -> None:
        """`Unsupported value: …: supported values: …`."""
        known = "supported values: " + ", ".join(json.dumps(v) for v in supported)
        self._add(path, f"Unsupported value: {_shown(value)}", known, "FieldValueNotSupported")

    def duplicate(self, path: str, value: Any) -> None:
        """`Duplicate value: …`."""
        self._add(path, f"Duplicate value: {_shown(value)}", "", "FieldValueDuplicate")

    def not_found(self, path: str, value: Any) -> None:
        """`Not found: …`."""
        self._add(path, f"Not found: {_shown(value)}", "", "FieldValueNotFound")

    def forbidden(self, path: str, detail: str) -> None:
        """`Forbidden: …`."""
        self._add(path, "Forbidden", detail, "FieldValueForbidden")

    def too_long(self, path: str, limit_bytes: int) -> None:
        """`Too long: may not be more than N bytes`."""
        detail = f"may not be more than {limit_bytes} bytes"
        self._add(path, "Too long", detail, "FieldValueTooLong")

    def choice(self, path: str, value: Any, supported: Iterable[str]) -> None:
        """Required if empty, unsupported unless it is one of `supported` (listed sorted)."""
        known = sorted(supported)
        if not value:
            self.required(path)
        elif value not in known:
            self.unsupported(path, value, known)

    def immutable(self, path: str, new: Any, old: Any) -> None:
        """`field is immutable`, where `new` is not `old`."""
        if new != old:
            self.invalid(path, new, IMMUTABLE)

    def not_negative(self, path: str, value: Any) -> None:
        """A number below 0 is invalid; what is no number is the schema's business."""
        if isinstance(value, int) and value < 0:
            self.invalid(path, value, "must be greater than or equal to 0")

    def port(self, path: str, value: Any) -> None:
        """A port number from 1 to 65535."""
        if not isinstance(value, int) or not 1 <= value <= MAX_PORT:
            self.invalid(path, value, "must be between 1 and 65535, inclusive")

    def dns_label(self, path: str, value: str) -> None:
        """An RFC 1123 label."""
        self._name(
            path,
            value,
            LABEL_MAX,
            _LABEL,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
            "'-', and must start and end with an alphanumeric character",
            ("my-name", "123-abc"),
        )

    def dns_1035_label(self, path: str, value: str) -> None:
        """An RFC 1035 label."""
        self._name(
            path,
            value,
            LABEL_MAX,
            _LABEL_1035,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
            "with an alphabetic character, and end with an alphanumeric character",
            ("my-name", "abc-123"),
        )

    def dns_subdomain(self, path: str, value: str) -> None:
        """An RFC 1123 subdomain."""
        self._name(
            path,
            value,
            SUBDOMAIN_MAX,
            _SUBDOMAIN,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
            "'-' or '.', and must start and end with an alphanumeric character",
            ("example.com",),
        )

    def config_key(self, path: str, key: str) -> None:
        """A key of a ConfigMap or a Secret."""
        self._name(
            f"{path}[{key}]",
            key,
            SUBDOMAIN_MAX,
            _CONFIG_KEY,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            ("key.name", "KEY_NAME", "key-name"),
        )

    def env_name(self, path: str, value: str) -> None:
        """A name of an environment variable (relaxed: printable ASCII but '=')."""
        if not _ENV_NAME.fullmatch(value):
            self.invalid(
                path,
                value,
                "a valid environment variable name must consist only of printable ASCII "
                "characters other than '='",
            )

    def port_name(self, path: str, value: str) -> None:
        """An IANA service name."""
        if len(value) > PORT_NAME_MAX:
            self.invalid(path, value, f"must be no more than {PORT_NAME_MAX} characters")
        elif not _PORT_NAME.fullmatch(value):
            self.invalid(
                path,
                value,
                "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            )
        elif "--" in value:
            self.invalid(path, value, "must not contain consecutive hyphens")
        elif value[0] == "-" or value[-1] == "-":
            self.invalid(path, value, "must not begin or end with a hyphen")
        elif not re.search("[a-z]", value):
            self.invalid(path, value, "must contain at least one letter (a-z)")

    def labels(self, path: str, labels: Any) -> None:
        """A map of labels: qualified names to label values."""
        if not isinstance(labels, dict):
            return
        for key, value in labels.items():
            if problem := qualified_name_problem(key):
                self.invalid(path, key, problem)
            if isinstance(value, str) and (problem := label_value_problem(value)):
                self.invalid(path, value, problem)

    def _name(
        self,
        path: str,
        value: str,
        limit: int,
        pattern: re.Pattern[str],
        text: str,
        examples: tuple[str, ...],
    ) -> None:
        if len(value) > limit:
            self.invalid(path, value, f"must be no more than {limit} bytes")
        if not pattern.fullmatch(value):
            self.invalid(path, value, regex_error(text, pattern.pattern, *examples))

    def _add(self, path: str, message: str, detail: str, reason: str) -> None:
        self.causes.append(Cause(path, f"{message}: {detail}" if detail else message, reason))


def _shown(value: Any) -> str:
    """`value` as `ErrorBody` prints it: JSON, compact."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


Check = Callable[[Errors, str, dict[str, Any]], None]
"""Checks one element of a list: the errors, its path, and the element."""


def each(errors: Errors, path: str, items: Any, check: Check) -> None:
    """Run `check` on every element of a list that is an object."""
    for number, item in enumerate(items or ()):
        if isinstance(item, dict):
            check(errors, f"{path}[{number}]", item)
