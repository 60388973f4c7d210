"""Long tests, each by its name: `python -m tests.soak streams --kills 200`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    names = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        sys.exit(f"usage: python -m tests.soak {' | '.join(names)} [options]")
    importlib.import_module(f"tests.soak.{sys.argv[1]}").main(sys.argv[2:])
