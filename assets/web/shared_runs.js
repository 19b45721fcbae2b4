// Merges this tab's list of runs into the list that all tabs of this browser share: each tab adds its own runs and
// takes out those that were removed in it, so that no tab overwrites what another one added. Returns the stored state
// with the merged list.
(stored) => {
  const key = "demofusion-studio-runs";
  const longest = 20;
  const { runs = [], forgotten = [] } = stored || {};
  try {
    const shared = JSON.parse(localStorage.getItem(key)) || [];
    const merged = [...runs.filter((name) => !shared.includes(name)), ...shared];
    const remaining = merged.filter((name) => !forgotten.includes(name)).slice(0, longest);
    localStorage.setItem(key, JSON.stringify(remaining));
    return [{ ...stored, runs: remaining }];
  } catch {
    return [stored];
  }
}
