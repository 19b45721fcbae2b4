"""How far the judge can be trusted, on true renderings of combinations that it was never taught."""

from pathlib import Path

import numpy as np

from lab.judge.cases import NAMES, UNTOLD, Case, beside, case
from lab.judge.judge import Judge, load, verdicts
from lab.measure.tables import Row, rate, table
from lab.measure.vae_quality import unseen
from lab.world.scenes import half_sides, standing

EACH = 300
SMALL = 1 / 8


def measure(folder: Path) -> str:
    """All bars of the judge as text."""
    judge, scenes = load(folder), unseen(EACH)
    singles = [case(k, "single", one) for k, one in enumerate(scenes)]
    several = [case(k, "second" if k % 2 else "crowd", one) for k, one in enumerate(scenes)]
    several = [one for one in several if one.told["number"] >= 2]
    square = half_sides((256, 256))
    small = [
        beside(one, standing(one, square), SMALL, np.random.RandomState(k)) for k, one in enumerate(scenes)
    ]
    small = [one for one in small if one.told["number"] == 2]
    nothing = [case(k, kind, one) for k, one in enumerate(scenes) for kind in ("none", "half", "swapped")]
    rows = [
        _counted("one, and told as one", judge, singles, lambda number: number == 1),
        _counted("two or more, and told as more than one", judge, several, lambda number: number > 1),
        _counted("second of 1/8 size, told as more than one", judge, small, lambda number: number > 1),
        _counted("nothing whole, and told as none", judge, nothing, lambda number: number == 0),
        *_heads(judge, singles, ("subject", "colour", "ground", "sky")),
        *_heads(judge, [case(k, "crop", one) for k, one in enumerate(scenes)], ("zoom", "material")),
    ]
    return table(rows, ("", "right"))


def _counted(what: str, judge: Judge, cases: list[Case], right: object) -> Row:
    numbers = verdicts(judge, [one.picture for one in cases])["number"]
    return Row(what, rate(int(np.sum([right(n) for n in numbers])), len(cases)))


def _heads(judge: Judge, cases: list[Case], heads: tuple[str, ...]) -> list[Row]:
    told = verdicts(judge, [one.picture for one in cases])
    rows = []
    for head in heads:
        known = [k for k, one in enumerate(cases) if one.told[head] != UNTOLD]
        hits = sum(int(told[head][k]) == cases[k].told[head] for k in known)
        rows.append(Row(f"{head} ({len(NAMES[head])})", rate(hits, len(known))))
    return rows
