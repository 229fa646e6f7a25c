"""Which addresses a webhook may go to: those of the public internet. What a name stands for is looked at when it is resolved, and
the connection goes to the very address that was looked at."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

_NAT64 = IPv6Network("64:ff9b::/96")
_SCHEMES = ("https",)
_INWARD_SCHEMES = ("https", "http")


class AddressRefused(OSError):
    """The address is none that webhooks may go to."""


def check_address(url: str, *, inward: bool) -> None:
    """What can be said without asking anybody. ``inward``: private addresses and plain http are allowed. Raises
    `AddressRefused`, with a sentence for people."""
    try:
        parts = URL(url)
        host, scheme = parts.host or "", parts.scheme
    except ValueError:
        raise AddressRefused("This is no address.") from None
    if scheme not in (_INWARD_SCHEMES if inward else _SCHEMES):
        raise AddressRefused("The address has to begin with https://.")
    if not host or parts.user or parts.password:
        raise AddressRefused("The address has to name a host, and no user.")
    if not inward:
        _check_literal(host)


def _check_literal(host: str) -> None:
    """aiohttp resolves no address that is one already."""
    host = host.removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        raise AddressRefused("The address leads to this machine.")
    try:
        public = is_public(ip_address(host))
    except ValueError:
        public = not _is_number(host.rpartition(".")[2])
    if not public:
        raise AddressRefused("The address is not on the public internet.")


def _is_number(label: str) -> bool:
    """What a host may end in that resolvers read as an address of IPv4, as in ``127.1``, ``2130706433`` and ``0x7f.1``."""
    return label.isdigit() or label.lower().startswith("0x")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Addresses of IPv4 that are written as one of IPv6 count as what they stand for."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


class PublicResolver(AbstractResolver):
    """Gives public addresses alone. Raises `AddressRefused` where a name has no other."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [one for one in found if is_public(ip_address(one["host"].partition("%")[0]))]
        if found and not public:
            raise AddressRefused("The address is not on the public internet.")
        return public

    async def close(self) -> None:
        await self._resolver.close()
