"""Cluster IPs and node ports: numbers that no two Services share. Pure.

Source: pkg/registry/core/service/ipallocator and portallocator. The range is that of most clusters'
installers; nothing outside pods' network namespaces ever sees it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from kapp.machinery.objects import Object

SERVICE_RANGE = ipaddress.IPv4Network("10.96.0.0/16")
NODE_PORTS = range(30000, 32768)

_RESERVED = 10
"""The first addresses are left to the network and to well-known services (DNS is .10)."""


def addresses_in_use(services: Iterable[Object]) -> set[str]:
    """Cluster IPs that Services have."""
    return {ip for s in services for ip in (s.get("spec") or {}).get("clusterIPs") or ()}


def ports_in_use(services: Iterable[Object]) -> set[int]:
    """Node ports that Services have."""
    return {
        port["nodePort"]
        for s in services
        for port in (s.get("spec") or {}).get("ports") or ()
        if port.get("nodePort")
    }


def free_address(used: set[str], seed: int) -> str:
    """An address that is not in `used`, looked for from a place that `seed` gives; "" if none is.

    Different seeds give different addresses, so that a new Service seldom gets the address of one
    that was just deleted.
    """
    count = SERVICE_RANGE.num_addresses - _RESERVED - 2
    for step in range(count):
        address = str(SERVICE_RANGE[_RESERVED + 1 + (seed + step) % count])
        if address not in used:
            return address
    return ""


def free_port(used: set[int], seed: int) -> int:
    """A node port that is not in `used`; 0 if none is."""
    for step in range(len(NODE_PORTS)):
        port = NODE_PORTS[(seed + step) % len(NODE_PORTS)]
        if port not in used:
            return port
    return 0
