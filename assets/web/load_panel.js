// @ts-check
// Runs when Gradio has put the stages panel on the page: imports the panel's modules, which then show each value that
// the server sends. Gradio's watch() is called before the import begins, and the values that come meanwhile are kept,
// so that none is lost. If the import fails, the panel says so.

/** @typedef {import("./panel/value.js").Value | null} ValueOrNull */
/** @typedef {import("./panel/context.js").Host} Host */

/**
 * The arguments are those that Gradio has for the scripts of a component.
 *
 * @param {HTMLElement} element  the component's element
 * @param {{ value: ValueOrNull, words: Record<string, string>, examples: Host["examples"], main: { url: string } }} props
 * @param {(event: string, data: object) => void} trigger  sends an event of the component to the server
 * @param {(prop: string, onChange: () => void) => void} watch  calls a function whenever the server has set a prop
 */
(element, props, trigger, watch) => {
  const root = element.querySelector(".st") ?? element;
  const { words, examples = [] } = props;
  // The values that came before the modules.
  const early = [props.value];
  /** @type {(value: ValueOrNull) => void} */
  let show = (value) => void early.push(value);
  watch("value", () => show(props.value));

  /** @param {typeof import("./panel/main.js")} main */
  const start = ({ buildPanel }) => {
    show = buildPanel({ root, words, examples, sendAction: (action) => trigger("act", action) });
    early.forEach(show);
  };
  /** @param {unknown} fault */
  const showFailure = (fault) => {
    show = () => {};
    console.error(fault);
    const [line, alarm] = [document.createElement("div"), document.createElement("span")];
    line.className = "st-status st-fault";
    alarm.className = "st-alarm";
    alarm.setAttribute("role", "alert");
    alarm.textContent = words.not_loaded;
    line.append(alarm);
    root.replaceChildren(line);
  };
  import(props.main.url).then(start, showFailure);
}
