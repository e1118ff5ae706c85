#!/usr/bin/env python3
"""Runs the checker that docs/ledger.md prints on the segments of a journal.

Usage: check_as_documented.py PATH-TO-LEDGER.MD SEGMENT...
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def main() -> int:
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    printed = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert printed, "the page prints no checker"
    sys.argv = sys.argv[1:]  # as if the checker had been called by itself
    exec(compile(printed[1], "docs/ledger.md", "exec"), {})
    return 0


if __name__ == "__main__":
    sys.exit(main())
