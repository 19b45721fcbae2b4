// Ctrl+Enter generates from anywhere on the page; on phones the sliders of later stages begin folded.
() => {
  const fold = (tries) => {
    const heading = document.querySelector("#growing > button");
    if (heading) heading.click();
    else if (tries) requestAnimationFrame(() => fold(tries - 1));
  };
  if (matchMedia("(max-width: 640px)").matches) fold(120);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest("#prompt")) return;
    const generate = document.querySelector("#generate");
    if (generate && generate.offsetParent) generate.click();
  });
};
