// @ts-check
// Runs when Gradio has put the model picker on the page: lets a click, or Enter after arrow keys, choose a model.

/**
 * The arguments are those that Gradio has for the scripts of a component.
 *
 * @param {HTMLElement} element  the component's element; the server replaces the elements in it
 * @param {(event: string, data: object) => void} trigger  sends an event of the component to the server
 */
(element, trigger) => {
  const details = () => element.querySelector("details");
  /** @type {() => HTMLElement[]} */
  const options = () => [...element.querySelectorAll("[role=option]")].filter((one) => one instanceof HTMLElement);
  /** @type {(target: EventTarget | null) => HTMLElement | null} */
  const optionOf = (target) => (target instanceof Element ? target.closest("[role=option]") : null);

  /** @param {HTMLElement | null} option */
  const choose = (option) => {
    const list = details();
    if (!option || !list || option.getAttribute("aria-disabled") === "true") return;
    list.open = false;
    list.querySelector("summary")?.focus();
    if (option.getAttribute("aria-selected") !== "true") trigger("act", { model: option.dataset.model });
  };
  // An open list stays open when the server replaces the elements, and the focus stays in it.
  let isOpen = false;
  let focused = -1;
  // The server may replace the elements between the click that opens the list and the event "toggle".
  element.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("summary")) isOpen = !details()?.open;
  });
  element.addEventListener("toggle", () => (isOpen = Boolean(details()?.open)), true);
  element.addEventListener("focusin", ({ target }) => (focused = options().findIndex((one) => one === target)));
  new MutationObserver(() => {
    const list = details();
    if (!list || !isOpen || list.open) return;
    list.open = true;
    (options()[focused] ?? list.querySelector("summary"))?.focus();
  }).observe(element, { childList: true, subtree: true });

  element.addEventListener("click", ({ target }) => choose(optionOf(target)));
  element.addEventListener("keydown", (event) => {
    const list = details();
    if (!list?.open) return;
    const all = options();
    const present = all.findIndex((option) => option === document.activeElement);
    const selected = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
    /** @type {Record<string, number>} */
    const next = {
      ArrowDown: present < 0 ? selected : Math.min(present + 1, all.length - 1),
      ArrowUp: present < 0 ? selected : Math.max(present - 1, 0),
      Home: 0,
      End: all.length - 1,
    };
    if (event.key in next) {
      event.preventDefault();
      all[next[event.key]]?.focus();
    } else if (present >= 0 && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      choose(all[present]);
    } else if (event.key === "Escape") {
      list.open = false;
      list.querySelector("summary")?.focus();
    }
  });
}
