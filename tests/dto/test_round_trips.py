"""Laws of every kind of model: what clients may write arrives, and what is private never leaves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hesper import Hesper, post
from hesper.dto import DTOConfig, DTOData
from tests.asgi_driver import Answer, answer
from tests.dto.kinds import FIELDS, KINDS, NESTED, SECRET, Kind

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

TEXT = st.text(max_size=5)
NUMBERS = st.integers(-9, 9)
ADDRESSES = st.fixed_dictionaries(
    {}, optional={"street": TEXT, "code": NUMBERS, "key": TEXT, "unknown": TEXT}
)
PEOPLE = st.fixed_dictionaries(
    {"name": TEXT},
    optional={
        "age": NUMBERS,
        "identity": NUMBERS,
        "password": TEXT,
        "secret": TEXT,
        "address": st.none() | ADDRESSES,
        "unknown": TEXT,
    },
)
"""What clients may send, whether they may write it or not."""

WRITABLE = {"name", "age", "password", "address", "street"}
READABLE = {"name", "age", "identity", "address", "street", "code"}
DEFAULTS: dict[str, Any] = {
    "age": 1,
    "identity": 0,
    "password": SECRET,
    "secret": SECRET,
    "address": None,
    "street": "",
    "code": 0,
    "key": SECRET,
}

RENAMED = {"upper": str.upper, "pascal": str.capitalize, "camel": str, None: str}


class Recorder:
    """An app that keeps what arrives and sends what it is told to."""

    def __init__(self, kind: Kind, config: DTOConfig | None = None) -> None:
        self.arrived: Any = None
        self.sent: Any = None

        async def arrive(data: Any) -> None:
            self.arrived = data

        async def send() -> Any:
            return self.sent

        arrive.__annotations__ = {"data": kind.person, "return": None}
        send.__annotations__ = {"return": kind.person}
        dto = kind.narrowed(config)
        self.app = Hesper([post("/in", dto=dto)(arrive), post("/out", return_dto=dto)(send)])

    def write(self, value: Any) -> Answer:
        self.arrived = None
        body = msgspec.json.encode(value)
        headers = [("content-type", "application/json")]
        return answer(self.app, "POST", "/in", headers=headers, body=body)

    def read(self, value: Any) -> Any:
        self.sent = value
        found = answer(self.app, "POST", "/out")
        assert found.status == 201, found.text
        assert SECRET not in found.text
        return found.json()


def expected_on_arrival(
    kind: Kind, sent: dict[str, Any], excluded: frozenset[str], *, nested: bool = False
) -> dict[str, Any]:
    """Return what the fields of an instance are to be, by hand."""
    expected = {}
    for name in NESTED if nested else FIELDS:
        path = f"address.{name}" if nested else name
        if name in sent and name in WRITABLE and path not in excluded:
            value = sent[name]
            if name == "address" and value is not None:
                value = expected_on_arrival(kind, value, excluded, nested=True)
            expected[name] = value
        elif kind is not KINDS["SQLAlchemy"] and kind is not KINDS["TypedDict"]:
            expected[name] = DEFAULTS[name]
        else:  # which know no defaults until they are written to the database
            expected[name] = None
    return expected


def found_on_arrival(kind: Kind, instance: Any, *, nested: bool = False) -> dict[str, Any]:
    found = {name: kind.get(instance, name) for name in (NESTED if nested else FIELDS)}
    if found.get("address") is not None:
        found["address"] = found_on_arrival(kind, found["address"], nested=True)
    return found


RECORDERS = {name: Recorder(kind) for name, kind in KINDS.items()}


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=200, deadline=None)
@given(sent=PEOPLE)
def test_what_clients_may_write_arrives_and_nothing_else(name: str, sent: dict[str, Any]) -> None:
    recorder = RECORDERS[name]
    assert recorder.write(sent).status == 201
    found = found_on_arrival(KINDS[name], recorder.arrived)
    assert found == expected_on_arrival(KINDS[name], sent, frozenset())


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=60, deadline=None)
@given(values=PEOPLE)
def test_what_is_private_never_leaves(name: str, values: dict[str, Any]) -> None:
    values.pop("unknown", None)
    values = {**values, "secret": SECRET, "password": SECRET}
    if values.get("address") is not None:
        values["address"].pop("unknown", None)
        values["address"] = {**values["address"], "key": SECRET}
    found = RECORDERS[name].read(KINDS[name].make(values))
    assert found.keys() <= READABLE
    for key in READABLE & values.keys() - {"address"}:
        assert found[key] == values[key]
    if values.get("address") is not None:
        assert found["address"].keys() <= READABLE
        for key in READABLE & values["address"].keys():
            assert found["address"][key] == values["address"][key]


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    places = ["age", "password", "identity", "address", "address.street", "address.code"]
    chosen = frozenset(draw(st.lists(st.sampled_from(places), max_size=4)))
    return {
        "exclude": chosen,
        "rename_strategy": draw(st.sampled_from(["upper", "pascal", "camel", None])),
        "forbid_unknown_fields": draw(st.booleans()),
    }


def renamed(value: dict[str, Any], rename: Any) -> dict[str, Any]:
    return {
        rename(key): renamed(inner, rename) if isinstance(inner, dict) else inner
        for key, inner in value.items()
    }


def forbidden_in(sent: dict[str, Any], excluded: frozenset[str], rename: Any) -> set[str]:
    """Return the paths on the wire of what was sent and cannot be written."""
    found = set()
    for name, value in sent.items():
        if name not in WRITABLE or name in excluded:
            found.add(rename(name))
        elif name == "address" and value is not None:
            found |= {
                f"{rename(name)}.{rename(inner)}"
                for inner in value
                if inner not in WRITABLE or f"address.{inner}" in excluded
            }
    return found


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(config=configs(), sent=PEOPLE)
def test_what_clients_may_not_write_is_refused_or_ignored_as_configured(
    name: str, config: dict[str, Any], sent: dict[str, Any]
) -> None:
    kind, rename = KINDS[name], RENAMED[config["rename_strategy"]]
    recorder = Recorder(kind, DTOConfig(**config))
    answered = recorder.write(renamed(sent, rename))
    forbidden = forbidden_in(sent, config["exclude"], rename)
    if forbidden and config["forbid_unknown_fields"]:
        assert {key for _, key in answered.faults} == forbidden
        assert recorder.arrived is None
    else:
        assert answered.status == 201, answered.text
        expected = expected_on_arrival(kind, sent, config["exclude"])
        assert found_on_arrival(kind, recorder.arrived) == expected


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=40, deadline=None)
@given(config=configs())
def test_what_is_sent_has_the_fields_and_names_that_are_configured(
    name: str, config: dict[str, Any]
) -> None:
    kind, rename = KINDS[name], RENAMED[config["rename_strategy"]]
    whole = {"street": "s", "code": 3, "key": SECRET}
    values = {"name": "n", "age": 2, "identity": 4, "password": SECRET, "secret": SECRET}
    found = Recorder(kind, DTOConfig(**config)).read(kind.make({**values, "address": whole}))
    expected = {
        **{key: values[key] for key in ("name", "age", "identity")},
        "address": {key: whole[key] for key in ("street", "code")},
    }
    for path in config["exclude"]:
        first, _, rest = path.partition(".")
        if not rest:
            expected.pop(first, None)
        elif "address" in expected:
            expected["address"].pop(rest, None)  # type: ignore[attr-defined]
    assert found == renamed(expected, rename)


WRONG = st.sampled_from(
    [("name", 1), ("age", "x"), ("address", 3), ("address", {"street": []}), ("password", None)]
)


@every_kind
@settings(max_examples=20, deadline=None)
@given(wrong=st.dictionaries(st.just("x"), WRONG, min_size=1), sent=PEOPLE)
def test_a_fault_is_named_by_its_place_on_the_wire(
    kind: Kind, wrong: dict[str, tuple[str, Any]], sent: dict[str, Any]
) -> None:
    name, value = wrong["x"]
    recorder = Recorder(kind, DTOConfig(rename_strategy="upper"))
    answered = recorder.write(renamed({**sent, name: value}, str.upper))
    path = f"{name}.street" if isinstance(value, dict) else name
    assert answered.faults == {("body", path.upper())}
    assert recorder.arrived is None


@every_kind
@settings(max_examples=30, deadline=None)
@given(before=PEOPLE, sent=PEOPLE, without_name=st.booleans())
def test_a_patch_changes_what_was_sent_and_nothing_else(
    kind: Kind, before: dict[str, Any], sent: dict[str, Any], without_name: bool
) -> None:
    before.pop("unknown", None)
    if before.get("address") is not None:
        before["address"].pop("unknown", None)
    if without_name:
        sent.pop("name")
    instance = kind.make(before)
    known = found_on_arrival(kind, instance)

    async def change(data: Any) -> None:
        data.update_instance(instance)

    person: Any = kind.person
    change.__annotations__ = {"data": DTOData[person], "return": None}
    app = Hesper([post("/", dto=kind.narrowed(DTOConfig(partial=True)))(change)])
    headers = [("content-type", "application/json")]
    body = msgspec.json.encode(sent)
    assert answer(app, "POST", "/", headers=headers, body=body).status == 201

    expected = dict(known)
    for name in WRITABLE & sent.keys():
        value = sent[name]
        if name == "address" and value is not None:
            value = {key: value[key] for key in WRITABLE & value.keys()}
            blank = found_on_arrival(kind, kind.address(), nested=True)
            value = {**(known["address"] or blank), **value}
        expected[name] = value
    assert found_on_arrival(kind, instance) == expected


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{",
    b'{"name": NaN}',
    b'{"name": "\\ud800"}',
    b'{"name": "\xff"}',
    b'{"name": "a", "age": 1e400}',
    b'{"name": "a", "age": ' + b"9" * 5000 + b"}",
    b'{"name": "a", "unknown": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"name": "a", "address": ' + b'{"address": ' * 3000 + b"1" + b"}" * 3001,
    b'{"name": "a", "address": {"street": {"street": {}}}}',
    b'{"name": "a", "name": "b", "__class__": "c", "__init__": 1, "_hidden": 2}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: body[:20].decode("latin-1"))
@every_kind
def test_no_body_makes_an_error_of_the_server(kind: Kind, body: bytes) -> None:
    headers = [("content-type", "application/json")]
    person: Any = kind.person
    for annotation in (person, DTOData[person]):

        async def arrive(data: Any) -> None:
            pass

        arrive.__annotations__ = {"data": annotation, "return": None}
        app = Hesper([post("/", dto=kind.narrowed())(arrive)])
        found = answer(app, "POST", "/", headers=headers, body=body)
        assert found.status in {201, 400}
        found.text.encode()


@every_kind
@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXT,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*FIELDS, *NESTED, "x"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_read_or_refused(kind: Kind, value: Any) -> None:
    recorder = RECORDERS[next(name for name, known in KINDS.items() if known is kind)]
    found = recorder.write(value)
    assert found.status in {201, 400}
    assert (recorder.arrived is None) == (found.status == 400)
