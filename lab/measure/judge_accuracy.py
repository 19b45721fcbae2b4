"""Measures the judge on true renderings of held-out scenes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from lab.judge.cases import CLASSES, UNLABELLED, Case, make_case, second_subject_case
from lab.judge.judge import Judge, classify, load_judge
from lab.measure.tables import Row, rate_text, table
from lab.world.scenes import half_sides, held_out_scenes, place_subject

# Cases of each kind.
CASES = 300
# Size of a small second subject, as a share of the first one's.
SMALL_SHARE = 1 / 8


def measure(folder: Path) -> str:
    """Return a table of how often the judge is right."""
    judge, scenes = load_judge(folder), held_out_scenes(CASES)
    singles = [make_case(k, "single", one) for k, one in enumerate(scenes)]
    several = [make_case(k, "second" if k % 2 else "crowd", one) for k, one in enumerate(scenes)]
    several = [one for one in several if one.labels["number"] >= 2]
    square = half_sides((256, 256))
    small = [
        second_subject_case(one, place_subject(one, square), SMALL_SHARE, np.random.RandomState(k))
        for k, one in enumerate(scenes)
    ]
    small = [one for one in small if one.labels["number"] == 2]
    nothing = [
        make_case(k, kind, one) for k, one in enumerate(scenes) for kind in ("none", "half", "swapped")
    ]
    rows = [
        _count_row("one, and told as one", judge, singles, lambda number: number == 1),
        _count_row("two or more, and told as more than one", judge, several, lambda number: number > 1),
        _count_row("second of 1/8 size, told as more than one", judge, small, lambda number: number > 1),
        _count_row("nothing whole, and told as none", judge, nothing, lambda number: number == 0),
        *_head_rows(judge, singles, ("subject", "colour", "ground", "sky")),
        *_head_rows(judge, [make_case(k, "crop", one) for k, one in enumerate(scenes)], ("zoom", "material")),
    ]
    return table(rows, ("", "right"))


def _count_row(what: str, judge: Judge, cases: list[Case], right: Callable[[int], bool]) -> Row:
    """Return a row with the share of cases for whose counted number `right` is true."""
    numbers = classify(judge, [one.picture for one in cases])["number"]
    return Row(what, rate_text(int(np.sum([right(n) for n in numbers])), len(cases)))


def _head_rows(judge: Judge, cases: list[Case], heads: tuple[str, ...]) -> list[Row]:
    """Return a row for each head with the share of right answers among labelled cases."""
    answers = classify(judge, [one.picture for one in cases])
    rows = []
    for head in heads:
        labelled = [k for k, one in enumerate(cases) if one.labels[head] != UNLABELLED]
        hits = sum(int(answers[head][k]) == cases[k].labels[head] for k in labelled)
        rows.append(Row(f"{head} ({len(CLASSES[head])})", rate_text(hits, len(labelled))))
    return rows
