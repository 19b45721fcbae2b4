// What the browser keeps, and whether this tab has taken the settings of its link already: after a reload those that
// were changed since stand, and the run goes on.
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
