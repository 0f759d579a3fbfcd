"""``python -m tools.dashboards``: write the dashboards, or check that they are fresh."""

from __future__ import annotations

import sys

from rct_collector.docs.__main__ import main

from .build import files

if __name__ == "__main__":
    sys.exit(main(files=files, module="tools.dashboards", description=__doc__))
