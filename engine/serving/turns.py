"""The order of turns: which run's stage comes next, and how long each waiting run will wait. No torch.

A turn is one stage of one run. Turns go between owners: the owner comes next who has the fewest runs in work and, among
these, has waited longest. The runs of one owner are carried out in their order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from engine.serving.entry import Entry

# Seconds that a stage is taken to last where nothing is known, to find out the order of turns.
UNKNOWN_SECONDS = 60.0


def next_entry(
    entries: Sequence[Entry], waiting_since: Mapping[str, int], being_made: Mapping[str, Entry]
) -> Entry | None:
    """Return the run whose stage is to be made next; None if no run can go on at present.

    entries: all runs in the queue, in the order in which they were requested.
    waiting_since: a rising number for each owner, from the arrival of the owner's oldest run or the end of the last
        turn.
    being_made: the stage keys of the stages in work. A run that needs one of them waits for it.
    """
    ready = [entry for entry in entries if not entry.is_active and entry.next_key not in being_made]
    return _first(ready, [entry for entry in entries if entry.is_active], waiting_since)


def _first(ready: Sequence[Entry], active: Sequence[Entry], waiting_since: Mapping[str, int]) -> Entry | None:
    """Return the run that has the next turn among those that can go on; None if there is none.

    active: the runs in work.
    """

    def rank(entry: Entry) -> tuple[int, int]:
        return sum(each.owner == entry.owner for each in active), waiting_since.get(entry.owner, 0)

    return min(ready, key=rank, default=None)


@dataclass(frozen=True)
class Forecast:
    """When it will be a waiting run's turn."""

    entry: Entry
    # How many runs come before it, those in work included.
    place: int
    # Estimated seconds until its turn; None if unknown.
    seconds: float | None


def forecast_turns(
    entries: Sequence[Entry],
    waiting_since: Mapping[str, int],
    seconds_in_stage: Mapping[Entry, float],
    being_made: Mapping[str, Entry],
    workers: int,
) -> list[Forecast]:
    """Return when it will be the turn of each run that is not in work, the next one first.

    The turns are played through with the estimated seconds of each stage.

    entries, waiting_since, being_made: see next_entry. When a run that waits for another one's stage will have its turn
        is not known.
    seconds_in_stage: for how long each run in work has been in its present stage.
    workers: the number of workers.
    """
    remaining = {entry: list(entry.remaining_seconds) for entry in entries}
    since, tickets = dict(waiting_since), count(max(waiting_since.values(), default=0) + 1)
    active = [entry for entry in entries if entry.is_active]
    # (when a worker becomes free, a number that decides between equal times, the run that it works on).
    working: list[tuple[float, int, Entry | None]] = []
    unknown_after = float("inf")
    for number, entry in enumerate(active):
        seconds = remaining[entry].pop(0)
        left = (UNKNOWN_SECONDS if seconds is None else seconds) - seconds_in_stage.get(entry, 0.0)
        unknown_after = 0.0 if seconds is None else unknown_after
        working.append((max(0.0, left), number, entry))
    working += [(0.0, len(working) + k, None) for k in range(workers - len(working))]
    heapify(working)
    waiting = [entry for entry in entries if entry not in active]
    forecasts: dict[Entry, Forecast] = {}
    number = workers + len(entries)
    while len(forecasts) < len(waiting) and working:
        now, _, done = heappop(working)
        if done is not None:
            active.remove(done)
            since[done.owner] = next(tickets)
        entry = _first([each for each in entries if each not in active and remaining[each]], active, since)
        if entry is None:
            continue
        seconds = remaining[entry].pop(0)
        if entry in waiting and entry not in forecasts:
            is_known = now < unknown_after and entry.next_key not in being_made
            forecasts[entry] = Forecast(
                entry, len(entries) - len(waiting) + len(forecasts), now if is_known else None
            )
        if seconds is None:
            unknown_after = min(unknown_after, now + UNKNOWN_SECONDS)
        active.append(entry)
        number += 1
        heappush(working, (now + (UNKNOWN_SECONDS if seconds is None else seconds), number, entry))
    return list(forecasts.values())
