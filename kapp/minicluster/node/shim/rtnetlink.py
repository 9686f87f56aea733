"""Network interfaces, addresses and routes over rtnetlink, without the `ip` program.

Each function acts in the network namespace of the calling process. Source of the numbers and
layouts: linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, rtnetlink(7).
"""

from __future__ import annotations

import os
import socket
import struct

_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_EXCL, _NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
_NLMSG_ERROR = 2
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_NEWROUTE = 16, 20, 24
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_NET_NS_PID = 1, 3, 10, 18, 19
_IFLA_INFO_KIND, _IFLA_INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_RT_TABLE_MAIN, _RT_TABLE_LOCAL = 254, 255
_RTPROT_STATIC = 4
_RT_SCOPE_UNIVERSE, _RT_SCOPE_HOST = 0, 254
_RTN_UNICAST, _RTN_LOCAL = 1, 2
_IFF_UP = 1


def _attribute(kind: int, payload: bytes) -> bytes:
    length = 4 + len(payload)
    return struct.pack("=HH", length, kind) + payload + b"\0" * (-length % 4)


def _name(text: str) -> bytes:
    return _attribute(_IFLA_IFNAME, text.encode() + b"\0")


def _link_header(index: int = 0, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, change)


def _request(kind: int, flags: int, body: bytes) -> None:
    """Send one request and wait for the kernel's acknowledgement. Raises OSError."""
    header = struct.pack("=IHHII", 16 + len(body), kind, flags | _NLM_F_REQUEST | _NLM_F_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(header + body)
        answer = netlink.recv(65536)
    _, answer_kind = struct.unpack_from("=IH", answer)
    if answer_kind == _NLMSG_ERROR:
        (error,) = struct.unpack_from("=i", answer, 16)
        if error:
            raise OSError(-error, os.strerror(-error), f"rtnetlink request {kind}")


def _new_link(body: bytes) -> None:
    _request(_RTM_NEWLINK, _NLM_F_CREATE | _NLM_F_EXCL, body)


def add_bridge(name: str) -> None:
    """Create a bridge; it is down and has no address."""
    info = _attribute(_IFLA_INFO_KIND, b"bridge")
    _new_link(_link_header() + _name(name) + _attribute(_IFLA_LINKINFO, info))


def add_veth(name: str, peer_name: str, peer_pid: int, bridge: str) -> None:
    """Create a pair: `name` here, up and in `bridge`; `peer_name` in the namespace of a process."""
    peer = (
        _link_header()
        + _name(peer_name)
        + _attribute(_IFLA_NET_NS_PID, struct.pack("=I", peer_pid))
    )
    info = _attribute(_IFLA_INFO_KIND, b"veth") + _attribute(
        _IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, peer)
    )
    _new_link(
        _link_header(flags=_IFF_UP, change=_IFF_UP)
        + _name(name)
        + _attribute(_IFLA_MASTER, struct.pack("=I", socket.if_nametoindex(bridge)))
        + _attribute(_IFLA_LINKINFO, info)
    )


def set_up(name: str) -> None:
    """Bring an interface up."""
    _request(_RTM_NEWLINK, 0, _link_header(socket.if_nametoindex(name), _IFF_UP, _IFF_UP))


def add_address(name: str, address: str, prefix_length: int) -> None:
    """Give an interface an IPv4 address; the route to its network comes with it."""
    packed = socket.inet_aton(address)
    body = struct.pack(
        "=BBBBI", socket.AF_INET, prefix_length, 0, _RT_SCOPE_UNIVERSE, socket.if_nametoindex(name)
    )
    attributes = _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
    _request(_RTM_NEWADDR, _NLM_F_CREATE | _NLM_F_EXCL, body + attributes)


def _route(destination: str, prefix_length: int, table: int, scope: int, kind: int) -> bytes:
    header = struct.pack(
        "=BBBBBBBBI",
        socket.AF_INET, prefix_length, 0, 0, table, _RTPROT_STATIC, scope, kind, 0,
    )  # fmt: skip
    return header + _attribute(_RTA_DST, socket.inet_aton(destination))


def add_route(destination: str, prefix_length: int, gateway: str) -> None:
    """Send an IPv4 network's packets to a gateway."""
    body = _route(destination, prefix_length, _RT_TABLE_MAIN, _RT_SCOPE_UNIVERSE, _RTN_UNICAST)
    body += _attribute(_RTA_GATEWAY, socket.inet_aton(gateway))
    _request(_RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_EXCL, body)


def add_local_network(destination: str, prefix_length: int) -> None:
    """Treat every address of an IPv4 network as this host's own (AnyIP)."""
    body = _route(destination, prefix_length, _RT_TABLE_LOCAL, _RT_SCOPE_HOST, _RTN_LOCAL)
    body += _attribute(_RTA_OIF, struct.pack("=I", socket.if_nametoindex("lo")))
    _request(_RTM_NEWROUTE, _NLM_F_CREATE | _NLM_F_EXCL, body)
