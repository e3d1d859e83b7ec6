"""The entry of the command line, which needs click and rich-click to be installed."""

from __future__ import annotations

import sys

__all__ = ("main",)


def main() -> None:
    """Run the command line with the program's arguments, and exit with its status."""
    try:
        # click is optional, and the library is importable without it.
        from hesper.cli.commands import hesper
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich_click"}:
            raise
        sys.exit(
            f"The command line needs {error.name}, which is not installed;"
            " write: pip install 'hesper[standard]'"
        )
    hesper(prog_name="hesper")


if __name__ == "__main__":
    main()
