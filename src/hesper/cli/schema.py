"""The command `schema`, which writes the OpenAPI document of an app."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import rich_click as click

from hesper.cli.target import Target, about_an_app

__all__ = ("schema",)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write to, in place of the terminal: YAML if it is called so, else JSON.",
)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML in place of JSON.")
@about_an_app
@click.pass_obj
def schema(target: Target, output: Path | None, as_yaml: bool) -> None:
    """Write the OpenAPI document of the app.

    No lifespan is run.
    """
    # Loading the framework takes longer than all the rest.
    from hesper.cli.loading import load_app
    from hesper.openapi.document import document_of, write_schema

    # What the user's module prints while it is imported is no part of the document.
    with redirect_stdout(sys.stderr):
        app = load_app(target).app
    if output is None:
        document = document_of(app)
        click.echo(document.yaml if as_yaml else document.json, nl=not as_yaml)
        return
    if as_yaml and output.suffix not in {".yaml", ".yml"}:
        raise click.UsageError(f"{output} is not called as YAML is; write {output.stem}.yaml")
    try:
        write_schema(app, output)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}") from None
