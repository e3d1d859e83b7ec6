"""Network addresses."""

from __future__ import annotations

import weakref

from hesper.datastructures import Address


def test_an_address_unpacks_as_host_and_port() -> None:
    host, port = Address("127.0.0.1", 80)
    assert (host, port) == ("127.0.0.1", 80)


def test_an_address_is_made_of_what_a_scope_holds() -> None:
    assert Address(*("::1", 80)) == Address("::1", 80)


def test_an_address_is_a_value() -> None:
    address = Address("/tmp/socket", None)
    assert hash(address) == hash(Address("/tmp/socket", None))
    assert weakref.ref(address)() is address
