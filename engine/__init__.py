"""Make pictures that are larger than those a diffusion model was trained on. Torch is imported when needed.
from engine import Recipe, generate, load_model
for event in generate(Recipe(prompt="a red house"), load_model("a/folder"), out="runs"): ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import BadRecipe, Fault, WeightsMissing
from engine.planning.plan import Plan, plan
from engine.recipe.recall import ENGINE_VERSION, recall
from engine.recipe.recipe import Recipe
from engine.runs import events
from engine.runs.events import (
    Accepted,
    Event,
    Failed,
    Finished,
    Preview,
    Progress,
    Retreated,
    StageDone,
    Stopped,
    Upscaling,
    Waiting,
)

if TYPE_CHECKING:
    from engine.network.model import Model
    from engine.network.models import load_model
    from engine.runs.generate import generate

__version__ = ENGINE_VERSION

# Names whose modules need torch, with these modules; a module is imported when its name is first used.
_LAZY = {
    "generate": "engine.runs.generate",
    "load_model": "engine.network.models",
    "Model": "engine.network.model",
}

__all__ = [
    "Accepted",
    "BadRecipe",
    "Event",
    "Failed",
    "Fault",
    "Finished",
    "Model",
    "Plan",
    "Preview",
    "Progress",
    "Recipe",
    "Retreated",
    "StageDone",
    "Stopped",
    "Upscaling",
    "Waiting",
    "WeightsMissing",
    "__version__",
    "events",
    "generate",
    "load_model",
    "plan",
    "recall",
]


def __getattr__(name: str) -> Any:
    """Import and return one of the names in _LAZY, at its first use."""
    if name not in _LAZY:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
