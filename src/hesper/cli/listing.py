"""What an app consists of, printed: its routes, one of them explained, and what is wrong."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import redirect_stdout

import rich_click as click

from hesper._compile.routes import compile_plan
from hesper.app import Hesper
from hesper.cli.colours import show
from hesper.cli.loading import load_app
from hesper.cli.target import Target
from hesper.routes import routes_data, routes_text

__all__ = ("print_explanation", "print_routes", "problems_of")

_UNLIMITED = 10_000
"""More columns than any line has."""


def print_routes(target: Target, *, source: bool, as_json: bool) -> None:
    """Print the routes of the app.

    Args:
        target: Which app.
        source: Whether the generated text of each endpoint is printed, too.
        as_json: Whether it is for programs.
    """
    # What the user's module prints while it is imported is no part of the list.
    with redirect_stdout(sys.stderr):
        app = load_app(target).app
    if not as_json:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNLIMITED
        show(routes_text(app.iter_routes(), source=source, width=width))
        return
    found = list(app.iter_routes())
    data = routes_data(found)
    if source:
        for record, route in zip(data, found, strict=True):
            record["source"] = route.source()
    click.echo(json.dumps(data, indent=2))


def print_explanation(target: Target, method: str, path: str, *, source: bool) -> None:
    """Print what the app does with *method* and *path*.

    Args:
        target: Which app.
        method: An HTTP method, or `WEBSOCKET`.
        path: The path as in a URL.
        source: Whether the generated text of the endpoint is all that is printed.

    Raises:
        SystemExit: No route takes the request (status 1).
    """
    with redirect_stdout(sys.stderr):
        app = load_app(target).app
    explanation = app.explain(method, path)
    show(explanation.source() if source and explanation.route else str(explanation))
    if explanation.route is None and explanation.status != 204:
        sys.exit(1)


def problems_of(app: Hesper) -> list[str]:
    """Return what is wrong with *app* that shows only when it is asked.

    Endpoints are compiled with the first request, and the OpenAPI document is written then.
    """
    # No other command that this file is for needs it.
    from hesper.openapi.document import document_of

    problems: list[str] = []
    for route in app.iter_routes():
        try:
            compile_plan(route._plan)
        except Exception as error:
            problems.append(f"{route.label}: {type(error).__name__}: {error}")
    if app.openapi_config is not None:
        try:
            document_of(app)
        except Exception as error:
            problems.append(f"the OpenAPI document: {type(error).__name__}: {error}")
    return problems
