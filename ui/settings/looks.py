"""Looks: named settings of the stages after the first. Each is the answer to one complaint, given to the defaults."""

from dataclasses import replace

from engine.catalogue.entries import Facts
from engine.recipe.recipe import DEFAULTS, Recipe
from ui.settings.complaints import COMPLAINT_ADJUSTERS, adjust_for_complaint

# The complaint that each look answers; None for the default settings.
COMPLAINT_OF_LOOK: dict[str, str | None] = {
    "balanced": None,
    "close": "drifts",
    "inventive": "stiff",
    "crisp": "soft",
    "calm": "grainy",
}
# Names of the settings that a look sets: those that complaints change first, and the other sliders beside them.
LOOK_SETTINGS = tuple(
    dict.fromkeys(
        (
            *("alpha1", "alpha2", "alpha3", "sigma1", "sigma2"),
            *(
                name
                for complaint in COMPLAINT_OF_LOOK.values()
                if complaint
                for name in COMPLAINT_ADJUSTERS[complaint][0]
            ),
        )
    )
)


def apply_look(recipe: Recipe, look: str, facts: Facts) -> Recipe:
    """Return a recipe with the settings of a look."""
    plain = replace(recipe, **{name: getattr(DEFAULTS, name) for name in LOOK_SETTINGS})
    complaint = COMPLAINT_OF_LOOK[look]
    return adjust_for_complaint(plain, complaint, facts).recipe if complaint else plain


def find_look(recipe: Recipe, facts: Facts) -> str | None:
    """Return the look whose settings a recipe has; None if it has none's."""
    return next((look for look in COMPLAINT_OF_LOOK if apply_look(recipe, look, facts) == recipe), None)
