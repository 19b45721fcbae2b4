// @ts-check
// Runs once when the page is opened. For the sliders: the line with the help on the one that has the focus or the
// pointer, the reset to the present model's default, and the keyboard. Only the track is reached by Tab; arrow keys move
// it, Enter goes to its number, and Enter or Escape goes back.
() => {
  // A section is a block as well, and contains sliders.
  const SLIDER = ".block:has(> .wrap > .slider_input_container)";
  /** @type {(target: EventTarget | null) => HTMLElement | null} */
  const sliderOf = (target) => (target instanceof Element ? target.closest(`#inspector ${SLIDER}`) : null);
  /** @type {(block: Element | null, selector: string) => HTMLInputElement | null} */
  const inputOf = (block, selector) => {
    const found = block?.querySelector(selector);
    return found instanceof HTMLInputElement ? found : null;
  };
  const helpLine = () => document.querySelector(".slider-help");

  let usualHelp = "";
  /** @param {Element | null} block */
  const showHelp = (block) => {
    const line = helpLine();
    if (!line || (block && !block.closest("#look"))) return;
    if (!usualHelp) usualHelp = line.textContent ?? "";
    line.textContent = block?.querySelector(".info-text")?.textContent ?? usualHelp;
  };
  document.addEventListener("focusin", ({ target }) => sliderOf(target) && showHelp(sliderOf(target)));
  document.addEventListener("pointerover", ({ target }) => {
    if (sliderOf(target)) showHelp(sliderOf(target));
    else if (!sliderOf(document.activeElement)) showHelp(null);
  });

  /**
   * Name the help of each slider as its description, and take its number and its reset out of the order of Tab. Gradio
   * makes the elements anew whenever a slider is shown again.
   */
  const prepare = () => {
    for (const block of document.querySelectorAll(`#inspector ${SLIDER}:not([data-prepared])`)) {
      if (!(block instanceof HTMLElement)) continue;
      block.dataset.prepared = "yes";
      const [range, number] = ["input[type=range]", "input[type=number]"].map((one) => inputOf(block, one));
      const help = block.querySelector(".info-text");
      if (help) help.id = `${block.id}-help`;
      for (const input of [range, number]) if (help) input?.setAttribute("aria-describedby", help.id);
      for (const node of [number, block.querySelector(".reset-button")]) node?.setAttribute("tabindex", "-1");
    }
  };
  new MutationObserver(prepare).observe(document.body, { childList: true, subtree: true });
  prepare();

  document.addEventListener("keydown", (event) => {
    const { target, key } = event;
    if (!(target instanceof HTMLInputElement) || event.ctrlKey || event.metaKey) return;
    const block = sliderOf(target);
    if (!block) return;
    const isNumber = target.type === "number";
    if (key !== "Enter" && !(isNumber && key === "Escape")) return;
    const other = inputOf(block, isNumber ? "input[type=range]" : "input[type=number]");
    other?.focus();
    if (!isNumber) other?.select();
  });

  // Gradio would reset to the value that the page was built with, which is another model's.
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target instanceof Element ? event.target.closest(".reset-button") : null;
      const line = helpLine();
      const block = sliderOf(button);
      if (!button || !block || !(line instanceof HTMLElement)) return;
      /** @type {Record<string, number>} */
      const defaults = JSON.parse(line.dataset.defaults ?? "{}");
      const range = inputOf(block, "input[type=range]");
      if (!(block.id in defaults) || !range) return;
      event.preventDefault();
      event.stopPropagation();
      range.value = String(defaults[block.id]);
      range.dispatchEvent(new Event("input", { bubbles: true }));
    },
    true,
  );
}
