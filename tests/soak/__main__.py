"""`make soak`: does the same again and again, with `kill -9` at random moments, and counts what is wrong.

`python -m tests.soak` runs everything that has a `soak_*.py` here, 200 kills each; `python -m tests.soak
http --kills 20` fewer of one. Ends with status 1 if anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from tests.soak.outcome import Outcome

KILLS = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    names = sorted(path.stem.removeprefix("soak_") for path in Path(__file__).parent.glob("soak_*.py"))
    parser.add_argument(
        "what", nargs="*", choices=names, default=names, help="what to run (default: everything)"
    )
    parser.add_argument("--kills", type=int, default=KILLS, help=f"how many (default: {KILLS})")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other moments (default: 0)")
    options = parser.parse_args()
    outcomes = list[Outcome]()
    for name in options.what:
        module = importlib.import_module(f"tests.soak.soak_{name}")
        for outcome in module.run(kills=options.kills, seed=options.seed):
            print(outcome, flush=True)
            outcomes.append(outcome)
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
