// @ts-check
// Runs when the page is opened. Adds `taken` to the browser's stored state: whether this tab has read the settings of
// its link before. If it has, the server restores the stored settings and shows the run again, not the link's settings.
/** @param {object} stored */
(stored) => {
  const storageKey = "demofusion-studio-link";
  try {
    const taken = Boolean(location.search) && sessionStorage.getItem(storageKey) === location.search;
    sessionStorage.setItem(storageKey, location.search);
    return [{ ...stored, taken }];
  } catch {
    return [stored];
  }
}
