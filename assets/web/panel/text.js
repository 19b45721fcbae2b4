// @ts-check
// Fills values into texts.

/** @import { Size } from "./value.js" */

/**
 * Return a text with each {name} replaced by the value of this name.
 *
 * @param {string} text
 * @param {Record<string, string | number>} values
 */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * Return a size as text, width first: "1024 × 768".
 *
 * @param {Record<string, string>} words
 * @param {Size} size
 */
export function formatSize(words, [height, width]) {
  return fill(words.size, { width, height });
}
