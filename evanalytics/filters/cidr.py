"""Blocks of IPv4 addresses as regular expressions over their usual spelling."""

from __future__ import annotations

import ipaddress

from evanalytics.exceptions import FilterError

_ANY = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"


def cidr_pattern(block: str, where: str) -> str:
    r"""Return the regular expression of the addresses in a block.

    Raises:
        FilterError: It is no IPv4 block.

    Example:
        >>> cidr_pattern("10.0.2.0/23", "filter")
        '^10\\.0\\.(2|3)\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)$'
    """
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError as error:
        raise FilterError(f"{where}: needs a block such as '10.0.0.0/24', got {block!r}") from error
    if not isinstance(network, ipaddress.IPv4Network):
        raise FilterError(
            f"{where}: {block!r} is IPv6, whose addresses have many spellings; only IPv4 blocks are supported"
        )
    octets = []
    for low, high in zip(network.network_address.packed, network.broadcast_address.packed, strict=True):
        several = "(" + "|".join(map(str, range(low, high + 1))) + ")"
        octets.append(_ANY if high - low == 255 else str(low) if low == high else several)
    return "^" + r"\.".join(octets) + "$"
