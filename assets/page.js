// Ctrl+Enter generates from anywhere on the page; the tab's title tells how far a run is.
() => {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest("#prompt")) return;
    const generate = document.querySelector("#generate");
    if (generate && generate.offsetParent) generate.click();
  });
};
