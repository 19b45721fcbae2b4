"""`generate` carries out a recipe: it prepares the run, makes one stage after another and yields the run's events."""

from collections.abc import Iterator
from pathlib import Path

from engine.network.model import Model
from engine.recipe.recipe import Recipe
from engine.runs import events
from engine.runs.cache import RunCache
from engine.runs.make_stage import StageEvents, load_parts, make_stage, report_faults
from engine.runs.prepare import prepare
from engine.sampling.denoiser import Stop


def generate(
    recipe: Recipe,
    model: Model,
    *,
    out: str | Path,
    noise: object = None,
    resume: tuple[str | Path, int] | None = None,
    stop: Stop | None = None,
    until: int | None = None,
    run: Path | None = None,
) -> Iterator[events.Event]:
    """Carry out a recipe and yield its events. A fault ends the run with a Failed event, never an exception.

    Stages that some run under `out` has already finished with the same settings are reused.

    out: the root folder of all runs.
    noise: overrides random draws, see engine.formulas.noise.Noise.
    resume: (run folder, k) continues from stage k of that run, even if that stage was made with other settings.
    stop: an object such as threading.Event. The run stops before the next call of the network when stop.is_set(), or
        when there is a file named `stop` in the run's folder.
    until: the number of the stage after which the run ends; None for the last stage.
    run: the run's folder; None creates a new folder.

    Closing the iterator also stops the run.
    """

    def run_events() -> StageEvents:
        cache = RunCache(out)
        prepared = prepare(
            recipe, model.facts, cache, resume=resume, until=until, run=run, use_keys=noise is None
        )
        try:
            parts = load_parts(prepared, model)
        except Exception:
            if run is None:
                cache.remove_run(prepared.folder)
            raise
        yield prepared.accepted
        for stage in prepared.remaining:
            if not (
                yield from make_stage(prepared, stage.number, model, parts=parts, noise=noise, stop=stop)
            ):
                return False
        yield events.Finished(prepared.last)
        return True

    yield from report_faults(run_events())
