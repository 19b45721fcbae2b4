// Runs once when the page is opened: lets Ctrl+Enter press Generate and files be dropped anywhere on the page, and on
// phones folds the section with the settings of later stages.
() => {
  /** Call `action` with the element of a selector as soon as it exists; give up after `frames` frames of the screen. */
  const whenPresent = (selector, action, frames = 120) => {
    const element = document.querySelector(selector);
    if (element) action(element);
    else if (frames) requestAnimationFrame(() => whenPresent(selector, action, frames - 1));
  };
  if (matchMedia("(max-width: 640px)").matches) whenPresent("#growing > button", (heading) => heading.click());

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest("#prompt")) return;
    const generate = document.querySelector("#generate");
    if (generate && generate.offsetParent) generate.click();
  });

  const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const isOnDropZone = (event) => event.target.closest && event.target.closest("#drop");
  document.addEventListener("dragover", (event) => hasFiles(event) && !isOnDropZone(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event) || isOnDropZone(event)) return;
    event.preventDefault(); // Otherwise the browser would leave the page to show the file.
    const [file] = event.dataTransfer.files;
    if (!file) return;
    if (!document.querySelector("#drop")) whenPresent("#start > button", (heading) => heading.click());
    whenPresent("#drop input[type=file]", (input) => {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      input.files = transfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
}
