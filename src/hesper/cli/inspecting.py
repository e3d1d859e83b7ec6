"""The commands that look at an app: `routes`, `explain`, `info` and `check`.

The framework and the user's app are imported inside the commands, so that `hesper --help` is there
at once.
"""

from __future__ import annotations

import rich_click as click

from hesper.cli.target import Target, about_an_app

__all__ = ("check", "explain", "info", "routes")


@click.command()
@click.option("--source", is_flag=True, help="Print the generated endpoint of each route, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with more about each route.")
@about_an_app
@click.pass_obj
def routes(target: Target, source: bool, as_json: bool) -> None:
    """List the routes of the app."""
    from hesper.cli.listing import print_routes

    print_routes(target, source=source, as_json=as_json)


@click.command()
@click.argument("method")
@click.argument("path")
@click.option("--source", is_flag=True, help="Print the generated endpoint alone.")
@about_an_app
@click.pass_obj
def explain(target: Target, method: str, path: str, source: bool) -> None:
    """Say what the app does with METHOD and PATH, and why.

    Names the route, what is called in which order, and for every option its value and the layers
    that it comes from. METHOD is one of HTTP's, or WEBSOCKET. The status is 1 if no route takes
    the request.
    """
    from hesper.cli.listing import print_explanation

    print_explanation(target, method, path, source=source)


@click.command()
@about_an_app
@click.pass_context
def info(context: click.Context) -> None:
    """Show versions, what the app consists of, and where the settings come from."""
    from hesper.cli.facts import print_facts

    print_facts(context)


@click.command()
@about_an_app
@click.pass_obj
def check(target: Target) -> None:
    """Build the app, and report everything that is wrong with it.

    All that contradicts itself in the configuration is reported at once, with status 1. No
    lifespan is run.
    """
    from hesper.cli.listing import problems_of
    from hesper.cli.loading import load_app

    found = load_app(target)
    problems = problems_of(found.app)
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise click.ClickException(f"The app cannot serve all of its routes:{listed}")
    count = len(list(found.app.iter_routes()))
    click.echo(f"{found.import_string} is in order: {count} {'route' if count == 1 else 'routes'}.")
