"""The bars of Postcards, measured.

python -m lab.measure.__main__ vae|judge|base|repetition [--of assets/postcards] [--prompts 50] [--steps 10]
"""

import argparse
from pathlib import Path

from lab.measure import base_quality, judge_accuracy, repetition, vae_quality

PARTS = {
    "vae": vae_quality.measure,
    "judge": judge_accuracy.measure,
    "base": base_quality.measure,
    "repetition": repetition.measure,
}


def main() -> None:
    asked = argparse.ArgumentParser(prog="lab.measure.__main__", description=__doc__)
    asked.add_argument("part", choices=list(PARTS))
    asked.add_argument("--of", type=Path, default=Path("assets/postcards"))
    asked.add_argument("--prompts", dest="number", type=int, help="for base and repetition")
    asked.add_argument("--steps", type=int, help="for base and repetition")
    given = asked.parse_args()
    more = {name: getattr(given, name) for name in ("number", "steps") if getattr(given, name) is not None}
    print(PARTS[given.part](given.of, **more))


if __name__ == "__main__":
    main()
