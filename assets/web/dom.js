// Helpers of the other scripts: elements, texts, and a cache of images.

// The cache drops images that are not drawn if it has more than this many.
const MAX_CACHED_IMAGES = 200;
// An image that failed to load is requested again after at most this many ms.
const LONGEST_WAIT = 10000;

/** Make an element with properties and children. A property that the element does not have becomes an attribute. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Return a text with each {name} replaced by the value of this name. */
function fill(text, values) {
  return String(text ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** Set an element's text unless it is the same, because screen readers announce even an equal text. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Return a number limited to the range from low to high. */
function clamp(number, low, high) {
  return Math.min(Math.max(number, low), high);
}

/**
 * A cache of decoded images by URL. Each image is requested once; the images drawn longest ago are dropped first. An
 * image that failed to load is requested again while it is needed, less and less often, as the network may return.
 */
class ImageCache {
  /** onLoad: is called when an image has loaded, or can be requested again. */
  constructor(onLoad) {
    this.onLoad = onLoad;
    // By URL: {image, tries, retryTime, frame, ready}. retryTime: when to request the image again, 0 for never.
    this.entries = new Map();
    // The number of the present drawing.
    this.frame = 0;
  }

  /** Return an image if it has loaded. If it has not, return null, and request the image if necessary. */
  get(url) {
    const entry = this.entries.get(url) || this.load(url, { tries: 0 });
    if (entry.retryTime && entry.retryTime <= performance.now()) this.load(url, entry);
    this.entries.delete(url);
    this.entries.set(url, entry);
    entry.frame = this.frame;
    return entry.ready ? entry.image : null;
  }

  /** Request an image for an entry of the cache; return the entry. */
  load(url, entry) {
    entry.image = new Image();
    entry.image.src = url;
    entry.tries += 1;
    entry.retryTime = 0;
    const retryLater = () => {
      const wait = Math.min(1000 * entry.tries, LONGEST_WAIT);
      entry.retryTime = performance.now() + wait;
      setTimeout(this.onLoad, wait + 1);
    };
    entry.image.decode().then(() => {
      entry.ready = true;
      this.onLoad();
    }, retryLater);
    return entry;
  }

  /** End a drawing: drop images that the drawing did not use if the cache has too many. */
  endFrame() {
    for (const [url, entry] of this.entries) {
      if (this.entries.size <= MAX_CACHED_IMAGES || entry.frame === this.frame) break;
      this.entries.delete(url);
    }
    this.frame += 1;
  }
}
