// Runs when the page is opened. Adds to the browser's stored state whether this tab has already read the settings of
// its link: after a reload, settings that were changed since then stay, and the run is shown again.
(stored) => {
  const key = "demofusion-studio-link";
  try {
    const taken = Boolean(location.search) && sessionStorage.getItem(key) === location.search;
    sessionStorage.setItem(key, location.search);
    return [{ ...stored, taken }];
  } catch {
    return [stored];
  }
}
