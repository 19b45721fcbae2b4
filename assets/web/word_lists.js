// @ts-check
// Runs when Gradio has put the lists of words on the page: sends chosen words to the server, shows the words that the
// server marks, and keeps the focus when the server replaces the lists.

/**
 * The arguments are those that Gradio has for the scripts of a component.
 *
 * @param {HTMLElement} element  the component's element; the server replaces the lists in it
 * @param {(event: string, data: object) => void} trigger  sends an event of the component to the server
 */
(element, trigger) => {
  const RECENT_MS = 1500;
  let focused = "";
  /** @type {(target: EventTarget | null) => HTMLSelectElement | null} */
  const listOf = (target) => (target instanceof HTMLSelectElement ? target : null);
  // The words that were chosen a moment ago, by kind. They are sent together: when the second one is chosen, the page
  // may not know yet what the server has made of the first one.
  /** @type {Map<string, string>} */
  const recent = new Map();
  element.addEventListener("change", ({ target }) => {
    const list = listOf(target);
    const kind = list?.dataset.kind;
    if (!list || !kind) return;
    const word = list.value;
    recent.set(kind, word);
    setTimeout(() => recent.get(kind) === word && recent.delete(kind), RECENT_MS);
    trigger("act", { words: Object.fromEntries(recent) });
  });
  // A list in which a person has chosen no longer follows the attributes of its options.
  const showMarked = () => {
    for (const list of element.querySelectorAll("select")) {
      const marked = list.querySelector("option[selected]");
      const word = recent.get(list.dataset.kind ?? "") ?? (marked instanceof HTMLOptionElement ? marked.value : "");
      if (list.value !== word) list.value = word;
    }
  };
  element.addEventListener("focusin", ({ target }) => (focused = listOf(target)?.dataset.kind ?? ""));
  element.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && (focused = ""));
  new MutationObserver(() => {
    showMarked();
    const list = element.querySelector(`[data-kind="${focused}"]`);
    if (focused && list instanceof HTMLElement && document.activeElement === document.body) list.focus();
  }).observe(element, { attributes: true, childList: true, subtree: true });
}
