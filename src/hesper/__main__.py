"""The command line, as `python -m hesper`."""

from __future__ import annotations

from hesper.cli.__main__ import main

if __name__ == "__main__":
    main()
