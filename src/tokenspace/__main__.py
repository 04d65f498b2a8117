"""``python -m tokenspace``: the command line without the installed script."""

from __future__ import annotations

from tokenspace.cli import main

if __name__ == "__main__":
    main(prog_name="tokenspace")
