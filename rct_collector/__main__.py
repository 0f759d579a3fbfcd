"""``python -m rct_collector`` is ``rct-collector``."""

from __future__ import annotations

import sys

# Without -P, "python -m" looks for everything in the current folder first, which may be anybody's.
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

from rct_collector.cli.main import main

if __name__ == "__main__":
    main()
