"""Values that nothing shows by accident."""

from __future__ import annotations

import pickle
import weakref
from typing import TypeAlias

import pytest

from hesper.datastructures import SecretBytes, SecretString

Secret: TypeAlias = SecretString | SecretBytes
SECRETS: list[Secret] = [SecretString("geheim"), SecretBytes(b"geheim")]
BOTH = pytest.mark.parametrize("secret", SECRETS, ids=["text", "bytes"])


def test_the_value_is_given_when_asked_for() -> None:
    assert SecretString("geheim").get_secret() == "geheim"
    assert SecretBytes(b"geheim").get_secret() == b"geheim"


@BOTH
def test_no_text_form_shows_the_value(secret: Secret) -> None:
    assert str(secret) == f"{secret}" == "******"
    assert repr(secret) == f"{type(secret).__name__}('******')"


def test_the_length_is_secret_too() -> None:
    assert repr(SecretString("")) == repr(SecretString("geheim"))


def test_secrets_are_equal_by_their_values() -> None:
    assert SecretString("é") == SecretString("é")
    assert SecretString("a") != SecretString("b")
    assert SecretBytes(b"a") == SecretBytes(b"a")
    assert SecretString("\ud800") == SecretString("\ud800")


def test_a_secret_equals_nothing_but_a_secret_of_its_kind() -> None:
    secret: object = SecretString("a")
    assert secret != "a"
    assert secret != SecretBytes(b"a")


def test_equal_secrets_have_equal_hashes() -> None:
    assert len({SecretString("a"), SecretString("a"), SecretString("b")}) == 2


@BOTH
def test_a_secret_can_be_pickled(secret: Secret) -> None:
    assert pickle.loads(pickle.dumps(secret)) == secret


@BOTH
def test_a_secret_can_be_weakly_referenced(secret: Secret) -> None:
    assert weakref.ref(secret)() is secret
