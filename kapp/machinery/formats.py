"""The formats of texts that a schema may ask for, such as `date-time`. Pure.

Those that a server of custom kinds checks and manifests use; a format that is not known here is
not checked. Source: k8s.io/kube-openapi/pkg/validation/strfmt.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import date

_TIME = re.compile(
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?(?:z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def fits(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return fits


def is_date(text: str) -> bool:
    """A full date of RFC 3339."""
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat)(text)


def is_date_time(text: str) -> bool:
    """A date and a time of RFC 3339."""
    day, separator, time = text.lower().partition("t")
    found = _TIME.match(time)
    if not separator or found is None or not is_date(day):
        return False
    hour, minute, second = found.groups()
    return hour <= "23" and minute <= "59" and second <= "59"


def _is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None and _parses(uuid.UUID)(text)


def _network(text: str) -> object:
    if "/" not in text:
        raise ValueError("no prefix length")
    return ipaddress.ip_interface(text)


FORMATS: Mapping[str, Callable[[str], bool]] = {
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "cidr": _parses(_network),
    "date": is_date,
    "date-time": is_date_time,
    "datetime": is_date_time,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "uuid": _is_uuid,
}
"""Whether a text has a format, by its name."""
