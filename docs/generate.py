"""Write what is generated in the documentation: `python -m docs.generate`.

The table of options comes from the fields of `Layer`, the order of events from the record that
the tests compare with what happens, the command line's help from the commands.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Final

from docs.command_line import help_texts
from hesper import layer
from hesper._shown import shown
from hesper.layer import RULES
from tests.events_record import CASES, Case

HERE: Final = Path(__file__).parent
OPTIONS: Final = HERE / "reference" / "options.md"
EVENTS: Final = HERE / "reference" / "order-of-events.md"
COMMANDS: Final = HERE / "reference" / "cli.md"

BEGIN: Final = "<!-- written by docs/generate.py, from here -->"
END: Final = "<!-- to here -->"


def pages() -> dict[Path, str]:
    """Return the text of each generated page."""
    return {
        OPTIONS: _between_marks(OPTIONS.read_text(), options_table()),
        EVENTS: events_page(),
        COMMANDS: _between_marks(COMMANDS.read_text(), help_texts()),
    }


def _between_marks(page: str, generated: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{generated}\n{END}{after}"


def option_texts() -> dict[str, tuple[str, str]]:
    """Return, by option, what it takes and what its docstring says."""
    (declared,) = [
        node
        for node in ast.parse(inspect.getsource(layer)).body
        if isinstance(node, ast.ClassDef) and node.name == "Layer"
    ]
    texts: dict[str, tuple[str, str]] = {}
    for field, below in zip(declared.body, declared.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if field.target.id in layer.RULES:
            text = ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                text = " ".join(str(below.value.value).split())
            texts[field.target.id] = (_taken(field.annotation).replace("late.", ""), text)
    return texts


def _taken(annotation: ast.expr) -> str:
    """Return what an option takes, without the wrappers that every option may be in."""
    if isinstance(annotation, ast.BinOp):
        sides = [_taken(annotation.left), _taken(annotation.right)]
        return " | ".join(dict.fromkeys(side for side in sides if side))
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        name, inside = annotation.value.id, ast.unparse(annotation.slice).strip("()")
        if name in {"Extend", "Replace"}:
            return ""
        containers = {"Collected": "Sequence", "Overlaid": "Mapping"}
        return f"{containers.get(name, name)}[{inside}]"
    aliases = {
        "Hooked": "Hook | Sequence[Hook] | None",
        "Headers": "Mapping[str, str] | Sequence[ResponseHeader]",
        "Cookies": "Mapping[str, str] | Sequence[Cookie]",
    }
    text = ast.unparse(annotation)
    return aliases.get(text, text)


def options_table() -> str:
    """Return the table of all options."""
    rows = [
        "| option | takes | rule | default | what it is for |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (taken, text) in option_texts().items():
        cells = (
            f"[`{name}`](#{name})",
            f"`{taken}`",
            RULES[name].name,
            f"`{shown(RULES[name].empty)}`",
            text,
        )
        line = " | ".join(cell.replace("|", "\\|") for cell in cells)
        rows.append(f"| {line} |")
    return "\n".join(rows) + "\n"


def events_page() -> str:
    """Return the page about the order of events."""
    sections = "\n".join(_section(case) for case in CASES.values())
    return f"{_HEAD}\n{sections}"


_HEAD: Final = """# The order of events

What happens to a request or a websocket, step by step, for each outcome. This page is written from
a record, by `docs/generate.py`; Hesper's own tests compare the record with what happens.

The app of the record has middleware on the application, on a router and on the handler; a guard;
a `before_request`, an `after_request` and an `after_response` hook; a dependency with an end;
background work; an exception handler on the handler, and one on the application; and the
application's `after_exception` and `before_send` hooks. What is indented happens inside of what
stands above it.
"""


def _section(case: Case) -> str:
    lines, depth = list[str](), 0
    for event in case.events:
        how = event.rpartition(" ")[2]
        if how in {"out", "exited", "ends"} and depth:
            depth -= 1
        lines.append("  " * depth + event)
        if how in {"in", "entered", "begins"} and event not in case.fails:
            depth += 1
    record = "\n".join([*lines, f"=> {case.answer}"])
    return f"## {case.title}\n\n{case.text}\n\n```text\n{record}\n```\n"


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
