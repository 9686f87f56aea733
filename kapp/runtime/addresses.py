"""Which hosts are this machine, and which proxy, by the environment, leads to the others."""

from __future__ import annotations

import ipaddress
from urllib import request as urllib_request
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name or address, without a lookup."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def environment_proxy(url: str) -> str:
    """The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for `url`, or "".

    As Go's httpproxy.FromEnvironment, which kubectl uses: loopback is never proxied.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host):
        return ""
    proxies = urllib_request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or ""
    # Public in CPython, unknown to typeshed.
    bypass = urllib_request.proxy_bypass_environment  # type: ignore[attr-defined]
    if not proxy or bypass(f"{host}:{parts.port or 443}", proxies):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"
