// @ts-check
// Makes and changes elements of the page. Text is set as textContent only, so that it is never read as HTML.

/**
 * Make an element with properties and children. A property that the element does not have becomes an attribute.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) Reflect.set(node, name, value);
    else node.setAttribute(name, String(value));
  }
  node.append(...children);
  return node;
}

/**
 * Make a button with a text.
 *
 * @param {string} text
 * @param {() => void} onclick
 * @param {Record<string, unknown>} [more]  further properties and attributes
 */
export function makeButton(text, onclick, more = {}) {
  return make("button", { type: "button", className: "st-button", textContent: text, onclick, ...more });
}

/**
 * Mark a toggle button as pressed or not.
 *
 * @param {Element} node
 * @param {boolean} on
 */
export function setPressed(node, on) {
  node.setAttribute("aria-pressed", String(on));
}

/**
 * Set an element's text unless it is the same, because screen readers announce even an equal text.
 *
 * @param {Element} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
