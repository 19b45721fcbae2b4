// Presses are answered in turn, Ctrl+Enter generates from anywhere on the page, a file may be dropped anywhere on it, and
// on phones the sliders of later stages begin folded.
() => {
  // Each press is sent once the one before has been answered in full: on their way neither presses nor answers overtake
  // one another. What is not answered for long, on a line that died, holds up nothing more.
  const LONG = 5000;
  const send = window.fetch.bind(window);
  let before = Promise.resolve();
  window.fetch = (asked, how) => {
    if (!String(asked.url || asked).includes("/gradio_api/run/")) return send(asked, how);
    const patience = new Promise((done) => setTimeout(done, LONG));
    const answered = Promise.race([before, patience]).then(async () => {
      const answer = await send(asked, how);
      return new Response(await answer.blob(), answer);
    });
    before = answered.catch(() => {});
    return answered;
  };

  /** Does it once the node is there, for as many frames as it takes up to this number. */
  const when = (selector, act, tries = 120) => {
    const node = document.querySelector(selector);
    if (node) act(node);
    else if (tries) requestAnimationFrame(() => when(selector, act, tries - 1));
  };
  if (matchMedia("(max-width: 640px)").matches) when("#growing > button", (heading) => heading.click());

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.target.closest("#prompt")) return;
    const generate = document.querySelector("#generate");
    if (generate && generate.offsetParent) generate.click();
  });

  const carries = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  const ownZone = (event) => event.target.closest && event.target.closest("#drop");
  document.addEventListener("dragover", (event) => carries(event) && !ownZone(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carries(event) || ownZone(event)) return;
    event.preventDefault(); // Or the browser would leave the page and show the file.
    const [file] = event.dataTransfer.files;
    if (!file) return;
    if (!document.querySelector("#drop")) when("#start > button", (heading) => heading.click());
    when("#drop input[type=file]", (input) => {
      const given = new DataTransfer();
      given.items.add(file);
      input.files = given.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
};
