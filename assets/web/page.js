// @ts-check
// Runs once when the page is opened: sizes the viewer, switches between light and dark, lets Ctrl+Enter press Generate
// and files be dropped anywhere on the page.
() => {
  /** The height in px of everything above and below the viewer on the first screen. */
  const AROUND_VIEWER = 266;
  const [SMALLEST, LARGEST, LARGEST_IN_FRAME] = [534, 900, 720];
  const THEME_KEY = "demofusion-studio-theme";

  // In a frame, such as a Space's, the window is as tall as the page, so only the screen's height is known.
  const sizeViewer = () => {
    const isAlone = window.top === window;
    const wanted = (isAlone ? innerHeight : screen.availHeight - 64) - AROUND_VIEWER;
    const height = Math.max(SMALLEST, Math.min(isAlone ? LARGEST : LARGEST_IN_FRAME, wanted));
    document.documentElement.style.setProperty("--frame-height", `${height}px`);
  };
  addEventListener("resize", sizeViewer);
  sizeViewer();

  /** @type {(event: Event, selector: string) => boolean} */
  const isWithin = ({ target }, selector) => target instanceof Element && target.closest(selector) !== null;

  const showTheme = () => {
    const isDark = document.body.classList.contains("dark");
    document.querySelector("#theme-switch")?.setAttribute("aria-pressed", String(isDark));
  };
  /** @param {boolean} isDark */
  const setDark = (isDark) => {
    document.body.classList.toggle("dark", isDark);
    showTheme();
  };
  try {
    const stored = localStorage.getItem(THEME_KEY);
    if (stored) setDark(stored === "dark");
  } catch {
    // The browser stores nothing; the theme is the browser's.
  }
  document.addEventListener("click", (event) => {
    showTheme();
    if (!isWithin(event, "#theme-switch")) return;
    const isDark = !document.body.classList.contains("dark");
    setDark(isDark);
    try {
      localStorage.setItem(THEME_KEY, isDark ? "dark" : "light");
    } catch {
      // The choice lasts until the page is left.
    }
  });

  // The help and the list of models close with Escape or a click elsewhere.
  /** @param {(details: HTMLDetailsElement) => boolean} isLeft */
  const closePopovers = (isLeft) => {
    for (const details of document.querySelectorAll("#head details[open]")) {
      if (details instanceof HTMLDetailsElement && isLeft(details)) details.open = false;
    }
  };
  document.addEventListener("pointerdown", ({ target }) => {
    closePopovers((details) => target instanceof Node && !details.contains(target));
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closePopovers(() => true);
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const generate = document.querySelector("#generate");
    if (generate instanceof HTMLElement && generate.offsetParent) generate.click();
  });

  // Generate and Stop replace each other; the focus goes from one to the other.
  /** @type {string} */
  let lastFocus = "";
  document.addEventListener("focusin", ({ target }) => (lastFocus = target instanceof Element ? target.id : ""));
  new MutationObserver(() => {
    // Gradio gives each radio button of a group a name of its own, so that Tab stops at each and arrows do nothing.
    for (const group of document.querySelectorAll("#inspector fieldset[id]")) {
      for (const input of group.querySelectorAll("input[type=radio]")) {
        if (input instanceof HTMLInputElement && input.name !== group.id) input.name = group.id;
      }
    }
    if (document.activeElement !== document.body || !["generate", "stop"].includes(lastFocus)) return;
    const button = document.querySelector(lastFocus === "generate" ? "#stop" : "#generate");
    if (button instanceof HTMLButtonElement && !button.disabled) button.focus();
  }).observe(document.body, { childList: true, subtree: true });

  /** @param {DragEvent} event */
  const isForUs = (event) => Boolean(event.dataTransfer?.types.includes("Files"));
  /** @param {boolean} isDragging */
  const showDrop = (isDragging) => document.querySelector("#stages .st")?.classList.toggle("is-dragging", isDragging);
  document.addEventListener("dragover", (event) => {
    if (!isForUs(event)) return;
    event.preventDefault();
    showDrop(true);
  });
  // When the file leaves the window, no element follows the one that it leaves.
  document.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || showDrop(false));
  document.addEventListener("drop", (event) => {
    showDrop(false);
    if (!isForUs(event)) return;
    event.preventDefault(); // Otherwise the browser would leave the page to show the file.
    const file = event.dataTransfer?.files[0];
    const input = document.querySelector("#ask input[type=file]");
    if (!file || !(input instanceof HTMLInputElement)) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
