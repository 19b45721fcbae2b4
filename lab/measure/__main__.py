"""Measures one part of Postcards and prints a table; `table` measures the methods, and `real` pictures of
other models; see lab/measure/table and lab/measure/real.

python -m lab.measure vae|judge|base|classes|relay|upscalers [--of assets/postcards]
                      [--prompts 50] [--steps 10]
python -m lab.measure table --help
python -m lab.measure real --help
"""

import argparse
import sys
from pathlib import Path

from lab.measure import (
    base_quality,
    classes,
    judge_accuracy,
    relay_quality,
    upscalers,
    vae_quality,
)
from lab.measure.real import command as real
from lab.measure.table import command as table

PARTS = {
    "vae": vae_quality.measure,
    "judge": judge_accuracy.measure,
    "base": base_quality.measure,
    "classes": classes.measure,
    "relay": relay_quality.measure,
    "upscalers": upscalers.measure,
}


def main() -> None:
    commands = {"table": table.main, "real": real.main}
    if sys.argv[1:2] and sys.argv[1] in commands:
        commands[sys.argv[1]](sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m lab.measure", description=__doc__)
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"), help="the pipeline folder")
    parser.add_argument(
        "--prompts", dest="number", type=int, help="for all but vae and judge; classes: of each subject"
    )
    parser.add_argument("--steps", type=int, help="for base and relay")
    arguments = parser.parse_args()
    options = {"number": arguments.number, "steps": arguments.steps}
    options = {name: value for name, value in options.items() if value is not None}
    print(PARTS[arguments.part](arguments.of, **options))


if __name__ == "__main__":
    main()
