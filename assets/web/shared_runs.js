// @ts-check
// Merges this tab's list of runs into the list that all tabs of the browser share, and returns the stored state with
// the merged list. A tab adds its own runs and takes out the runs that were removed in it, so that it does not
// overwrite what another tab has added.
/** @param {{ runs?: string[], forgotten?: string[] } | null} stored */
(stored) => {
  const storageKey = "demofusion-studio-runs";
  const maxRuns = 20;
  const { runs = [], forgotten = [] } = stored || {};
  try {
    /** @type {string[]} */
    const shared = JSON.parse(localStorage.getItem(storageKey) ?? "[]") || [];
    const merged = [...runs.filter((name) => !shared.includes(name)), ...shared];
    const remaining = merged.filter((name) => !forgotten.includes(name)).slice(0, maxRuns);
    localStorage.setItem(storageKey, JSON.stringify(remaining));
    return [{ ...stored, runs: remaining }];
  } catch {
    return [stored];
  }
}
