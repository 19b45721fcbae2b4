// @ts-check
// Calculations with numbers.

/**
 * Return a number limited to the range from low to high.
 *
 * @param {number} number
 * @param {number} low
 * @param {number} high
 */
export function clamp(number, low, high) {
  return Math.min(Math.max(number, low), high);
}
