// The list of this browser's runs, which all its tabs share: each adds its own and takes out what it forgot, so that
// none overwrites what another one added. What is kept besides is returned with it.
(stored) => {
  const [key, most] = ["demofusion-studio-runs", 20];
  const { runs = [], forgotten = [] } = stored || {};
  try {
    const kept = JSON.parse(localStorage.getItem(key)) || [];
    const merged = [...runs.filter((name) => !kept.includes(name)), ...kept];
    const left = merged.filter((name) => !forgotten.includes(name)).slice(0, most);
    localStorage.setItem(key, JSON.stringify(left));
    return [{ ...stored, runs: left }];
  } catch {
    return [stored];
  }
}
