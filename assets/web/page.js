// @ts-check
// Runs once when the page is opened: lets Ctrl+Enter press Generate and files be dropped anywhere on the page, and on
// phones folds the section with the settings of later stages.
() => {
  /**
   * Call `action` with the element of a selector as soon as it exists; give up after `frames` frames of the screen.
   *
   * @param {string} selector
   * @param {(element: HTMLElement) => void} action
   */
  const whenPresent = (selector, action, frames = 120) => {
    const element = document.querySelector(selector);
    if (element instanceof HTMLElement) action(element);
    else if (frames) requestAnimationFrame(() => whenPresent(selector, action, frames - 1));
  };
  if (matchMedia("(max-width: 640px)").matches) whenPresent("#growing > button", (heading) => heading.click());

  /** @type {(event: Event, selector: string) => boolean} */
  const isWithin = ({ target }, selector) => target instanceof Element && target.closest(selector) !== null;

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || isWithin(event, "#prompt")) return;
    const generate = document.querySelector("#generate");
    if (generate instanceof HTMLElement && generate.offsetParent) generate.click();
  });

  /** @param {DragEvent} event */
  const isForUs = (event) => Boolean(event.dataTransfer?.types.includes("Files")) && !isWithin(event, "#drop");
  document.addEventListener("dragover", (event) => isForUs(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!isForUs(event)) return;
    event.preventDefault(); // Otherwise the browser would leave the page to show the file.
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    if (!document.querySelector("#drop")) whenPresent("#start > button", (heading) => heading.click());
    whenPresent("#drop input[type=file]", (input) => {
      if (!(input instanceof HTMLInputElement)) return;
      const transfer = new DataTransfer();
      transfer.items.add(file);
      input.files = transfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
}
