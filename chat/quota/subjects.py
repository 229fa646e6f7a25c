"""Who is counted: a list of opaque names, so that another kind of client only adds one more."""

from collections.abc import Sequence
from enum import StrEnum
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from identity import principal as who
from identity.principal import Principal
from sessions_app.log.lifecycle import Visitor

Payers = tuple[str, ...]
"""`Subject.name` of each, as they travel between processes."""


class Kind(StrEnum):
    USER = "user"  #: who is signed in, by id
    GUEST = "guest"  #: who is not, by the id in their cookie
    EXTERNAL = "external"  #: a user of a shop's own, by the shop's user and their id there
    KEY = "key"  #: a program, by its key's id
    ADDRESS = "address"  #: a client address; of IPv6 its /64


class Subject(NamedTuple):
    kind: Kind
    id: str

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.id}"


def kind_of(payer: str) -> Kind:
    return Kind(payer.partition(":")[0])


def subjects_of(somebody: Principal | Visitor) -> list[Subject]:
    """Who it is, without the address that they come from. A shop's own user is one by themselves, whatever key let them in."""
    if somebody.external_user_id:
        return [Subject(Kind.EXTERNAL, f"{somebody.user_id}/{somebody.external_user_id}")]
    if isinstance(somebody, Principal) and somebody.kind is who.Kind.KEY:
        return [Subject(Kind.KEY, str(somebody.key_id)), Subject(Kind.USER, str(somebody.user_id))]
    if somebody.user_id:
        return [Subject(Kind.USER, str(somebody.user_id))]
    return [Subject(Kind.GUEST, somebody.guest_id)] if somebody.guest_id else []


def address_of(address: str) -> Subject:
    """Of a client, as the server sees it; an IPv6 address stands for its /64."""
    return Subject(Kind.ADDRESS, network_of(address))


def payers_of(subjects: Sequence[Subject], *, is_anonymous: bool = False) -> Payers:
    """Who is somebody is counted as such; a guest by cookie and by address, as a cookie is thrown away with a click, and so is
    an issuer's anonymous user."""
    names = [subject.name for subject in subjects if subject.kind is not Kind.ADDRESS]
    known = not is_anonymous and any(
        subject.kind in (Kind.USER, Kind.KEY, Kind.EXTERNAL) for subject in subjects
    )
    addresses = [] if known else [subject.name for subject in subjects if subject.kind is Kind.ADDRESS]
    return (*names, *addresses)


def network_of(address: str) -> str:
    """An IPv6 address stands for the /64 that it is in: whoever has one of them has them all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
