// @ts-check
// Runs when Gradio has put the lists of words on the page: sends a chosen word to the server, and keeps the focus when
// the server replaces the lists.

/**
 * The arguments are those that Gradio has for the scripts of a component.
 *
 * @param {HTMLElement} element  the component's element; the server replaces the lists in it
 * @param {(event: string, data: object) => void} trigger  sends an event of the component to the server
 */
(element, trigger) => {
  let focused = "";
  /** @type {(target: EventTarget | null) => HTMLSelectElement | null} */
  const listOf = (target) => (target instanceof HTMLSelectElement ? target : null);
  element.addEventListener("change", ({ target }) => {
    const list = listOf(target);
    if (list) trigger("act", { kind: list.dataset.kind, word: list.value });
  });
  element.addEventListener("focusin", ({ target }) => (focused = listOf(target)?.dataset.kind ?? ""));
  element.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && (focused = ""));
  new MutationObserver(() => {
    const list = element.querySelector(`[data-kind="${focused}"]`);
    if (focused && list instanceof HTMLElement && document.activeElement === document.body) list.focus();
  }).observe(element, { childList: true, subtree: true });
}
