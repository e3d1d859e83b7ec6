"""Imports run one way: a file imports only from files above it in the table of floors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from hesper import _late

ROOT = Path(__file__).parents[2] / "src" / "hesper"

# Files in the order in which they may know each other; a folder stands for all files in it, which
# may import each other's files as long as no circle arises. Later sees earlier, never back.
ORDER = [
    # 0 ground
    "_lazy", "_late", "_types", "status_codes", "enums", "exceptions", "_merge", "_source",
    "_signature",
    "_place", "_did_you_mean", "_sparse", "datastructures", "params", "_json_depth", "_faults",
    "_fault_walk", "_conversions",
    "_type_survey", "_finite", "serialization",
    # 1 lifetimes
    "registry", "_residents", "_backends", "_container", "_loop", "loop_local", "_threads",
    "concurrency", "_awaited", "_closing", "_exits", "lifetime",
    # 2 messages
    "background_tasks", "connection", "response", "pagination",
    # 3 declarations
    "di", "_dto", "dto", "_middleware", "_shown", "layer", "_resolution", "_contributions",
    "_openapi", "handlers", "controller", "router",
    # 4 plan
    "_plan",
    # 5 compile
    "_compile",
    # 6 application
    "lifespan", "config", "plugins", "types", "routes", "openapi", "explanation",
    "_wiring", "app", "__init__",
    # 7 around it
    "middleware", "testing", "cli", "__main__",
]  # fmt: skip

# Optional libraries, and the only places that may import them.
OPTIONAL = {
    "click": {"cli"},
    "rich": {"cli"},
    "rich_click": {"cli"},
    "granian": {"cli"},
    "hypercorn": {"cli"},
    "uvicorn": {"cli", "testing"},
    "httpx2": {"testing"},
    "sqlalchemy": {"plugins"},
    "pydantic": {"_conversions", "_faults", "openapi", "serialization"},
}

# What looks up the floors, through `hesper._late`, and why.
UPWARDS = {
    ("lifespan", "testing"): "`lifespan.client()` is the short way to a client of it",
}

FILES = sorted(ROOT.rglob("*.py"))


def place(path: Path) -> str:
    """Return the entry of `ORDER` that a file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.Module) -> list[tuple[str, int, bool]]:
    """Return (module, line, at module level) of every import."""
    top = {id(child) for child in ast.iter_child_nodes(tree)}
    for statement in tree.body:  # `if sys.version_info` at the top is module level, too
        if isinstance(statement, ast.If):
            top.update(id(inner) for inner in ast.walk(statement))
    found: list[tuple[str, int, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            found.append((node.module or "", node.lineno, id(node) in top))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_floors_above_it(path: Path) -> None:
    tree = ast.parse(path.read_text())
    here = ORDER.index(place(path))
    for module, line, at_top in imports(tree):
        parts = module.split(".")
        if parts[0] != "hesper":
            continue
        if len(parts) == 1:
            assert place(path) in {"testing", "cli", "__main__"}, f"line {line}: facade import"
            continue
        there = ORDER.index(parts[1])
        assert there <= here, f"line {line}: {module} stands below {place(path)}"
        in_reach = there < here or path.parent != ROOT
        assert in_reach, f"line {line}: {module} imports itself"
        assert at_top or here >= ORDER.index("testing"), f"line {line}: import inside a function"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_uses_late_stands_on_floors_above_it(path: Path) -> None:
    here = ORDER.index(place(path))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "late":
            there = vars(_late)["_HOME"][node.attr].split(".")[1]
            above = ORDER.index(there) <= here or (place(path), there) in UPWARDS
            assert above, f"line {node.lineno}: late.{node.attr} stands below {place(path)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_optional_libraries_are_imported_only_where_they_belong(path: Path) -> None:
    for module, line, _ in imports(ast.parse(path.read_text())):
        allowed = OPTIONAL.get(module.split(".")[0])
        assert allowed is None or place(path) in allowed, f"line {line}: {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_has_type_only_imports_or_more_than_500_lines(path: Path) -> None:
    text = path.read_text()
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert "TYPE_CHECKING" not in names
    assert len(text.splitlines()) <= 500


def test_imports_make_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    known = {".".join(("hesper", *p.relative_to(ROOT).with_suffix("").parts)): p for p in FILES}
    known = {name.removesuffix(".__init__"): path for name, path in known.items()}
    for name, path in known.items():
        wanted = {module for module, _, at_top in imports(ast.parse(path.read_text())) if at_top}
        graph[name] = {module for module in wanted if module in known}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " imports ".join((*above[above.index(name) :], name))
        if name not in done:
            for inner in sorted(graph[name]):
                visit(inner, (*above, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_forbidden_names_are_not_used_for_modules() -> None:
    forbidden = {"utils", "helpers", "common", "manager", "base", "model"}
    for path in FILES:
        assert not forbidden & set(path.relative_to(ROOT).with_suffix("").parts)
