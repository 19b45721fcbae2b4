// @ts-check
// A list on the page whose elements stay while their items stay.

/**
 * The element of an item, and the function that updates it from a newer version of the item.
 *
 * @template Item
 * @typedef {{ node: HTMLElement, update: (item: Item) => void }} Entry
 */

/**
 * A list on the page with one element for each item. The element of an item is updated while the item's key stays.
 *
 * @template Item
 * @template {Entry<Item>} ItemEntry
 */
export class KeyedList {
  /**
   * @param {HTMLElement} node  the list's element
   * @param {(item: Item) => string} keyOf  returns an item's key
   * @param {(item: Item) => ItemEntry} makeEntry  makes the entry of a new item
   */
  constructor(node, keyOf, makeEntry) {
    this.node = node;
    this.keyOf = keyOf;
    this.makeEntry = makeEntry;
    /** @type {Map<string, ItemEntry>} */
    this.entries = new Map();
  }

  /**
   * Show these items.
   *
   * @param {Item[]} items
   */
  update(items) {
    const keys = new Set(items.map(this.keyOf));
    for (const [key, { node }] of this.entries) {
      if (!keys.has(key)) node.remove();
    }
    const previous = this.entries;
    this.entries = new Map();
    items.forEach((item, index) => {
      const key = this.keyOf(item);
      const entry = previous.get(key) || this.makeEntry(item);
      this.entries.set(key, entry);
      entry.update(item);
      const nodeAtIndex = this.node.children[index] || null;
      if (nodeAtIndex !== entry.node) this.node.insertBefore(entry.node, nodeAtIndex);
    });
    this.node.hidden = !items.length;
  }
}
