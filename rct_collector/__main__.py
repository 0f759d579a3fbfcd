"""``python -m rct_collector`` is ``rct-collector``."""

from __future__ import annotations

from rct_collector.cli import main

if __name__ == "__main__":
    main()
