// @ts-check
// Tells whether data have changed, so that a part of the panel that shows the same data stays as it is.

/**
 * Return a function that returns whether data differ from the data of its last call. Its first call returns true.
 *
 * @returns {(data: unknown) => boolean}
 */
export function makeChangeTest() {
  let last = "";
  return (data) => {
    const now = JSON.stringify(data ?? null);
    const isChanged = now !== last;
    last = now;
    return isChanged;
  };
}
