"""`hesper schema`: the OpenAPI document, printed or written to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.cli.calling import invoke

Write = Callable[[str, str], None]

APP = """
from hesper import Hesper, get

print("imported")

@get("/books")
async def books() -> list[str]: ...

app = Hesper([books])
"""


def test_the_document_is_printed(write: Write) -> None:
    write("main.py", APP)
    result = invoke("schema")
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["paths"]) == ["/books"]
    assert yaml.safe_load(invoke("schema", "--yaml").stdout) == json.loads(result.stdout)


def test_the_document_is_written_as_its_name_says(write: Write) -> None:
    write("main.py", APP)
    assert invoke("schema", "-o", "api.json").stdout == ""
    assert invoke("schema", "--output", "api.yaml", "--yaml").exit_code == 0
    document = json.loads(Path("api.json").read_text())
    assert document["openapi"] == "3.1.0"
    assert yaml.safe_load(Path("api.yaml").read_text()) == document


def test_an_app_that_serves_no_document_has_one(write: Write) -> None:
    write("main.py", APP.replace("[books]", "[books], openapi_config=None"))
    assert list(json.loads(invoke("schema").stdout)["paths"]) == ["/books"]


def test_a_file_that_cannot_be_written(write: Write) -> None:
    write("main.py", APP)
    result = invoke("schema", "-o", "missing/api.json")
    assert result.exit_code == 1
    assert "missing/api.json cannot be written: No such file or directory" in result.stderr
    result = invoke("schema", "-o", "api.json", "--yaml")
    assert result.exit_code == 2
    assert "write api.yaml" in result.stderr
