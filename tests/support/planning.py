"""Recipes, model facts and costs of plans, for tests that plan without a model."""

from collections.abc import Callable

from engine import Plan, Recipe
from engine.catalogue.entries import Defaults, Facts, family_buckets
from engine.planning.stage import Stage
from tests.support.tiny import SCHEDULER

SDXL_SCHEDULER = SCHEDULER | {"_class_name": "EulerDiscreteScheduler"}


def make_facts(window=128, channels=4, scheduler=SDXL_SCHEDULER, **changes) -> Facts:
    """Return the facts of an SDXL-shaped model, of SDXL's real size by default. window: its side in cells."""
    return Facts(
        **{
            "name": "toy",
            "family": "sdxl",
            "window": window,
            "cell": 8,
            "channels": channels,
            "scheduler": {"prediction_type": "epsilon"} | scheduler,
            "defaults": Defaults(50, 7.5, "model", (1.0, 2.0, 4.0)),
            "buckets": family_buckets("sdxl", window * 8),
        }
        | changes
    )


def small_recipe(**changes) -> Recipe:
    """Return a recipe that a tiny model carries out in about a second."""
    return Recipe(**{"prompt": "a red house", "scales": (1, 2), "steps": 6, "seed": 1} | changes)


def total_cost(cost: Callable[[Stage], float], planned: Plan) -> float:
    """Sum the cost of all stages of a plan."""
    return sum(map(cost, planned.stages))
