"""Running apps do what their documents say, whatever they are asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode

from hesper.openapi import openapi_schema
from hesper.testing import LiveServer
from library.app import app as library
from tests.openapi.everything import make
from tests.openapi.probing import labels, probe

EVERYTHING = make()
DOCUMENT = openapi_schema(EVERYTHING)
LIBRARY = openapi_schema(library)

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def everything() -> Iterator[str]:
    """Where the app that uses everything runs."""
    with LiveServer(EVERYTHING) as server:
        yield server.url


@pytest.fixture(scope="module")
def lending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the library runs."""
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("library")
        environment.setenv("LIBRARY_DATABASE", str(folder / "library.sqlite3"))
        with LiveServer(library) as server:
            yield server.url


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("label", labels(DOCUMENT))
def test_every_operation_does_what_its_document_says(
    everything: str, label: str, mode: GenerationMode
) -> None:
    taken = probe(DOCUMENT, everything, label, mode)
    if mode is GenerationMode.POSITIVE:
        assert taken, "not one request that follows the document was taken"


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("label", labels(LIBRARY))
def test_the_library_does_what_its_document_says(
    lending: str, label: str, mode: GenerationMode
) -> None:
    probe(LIBRARY, lending, label, mode)
