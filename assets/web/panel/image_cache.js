// @ts-check
// A cache of images.

// The cache drops images that are not drawn if it has more than this many.
const MAX_CACHED_IMAGES = 200;
// An image that failed to load is requested again after at most this many ms.
const LONGEST_WAIT = 10000;

/**
 * An image of the cache.
 *
 * @typedef {object} CachedImage
 * @property {HTMLImageElement} image
 * @property {number} tries  how often it has been requested
 * @property {number} retryTime  when to request it again, as performance.now() counts; 0 for never
 * @property {number} frame  the number of the last drawing that used it
 * @property {boolean} ready  whether it has been decoded
 */

/**
 * A cache of decoded images by URL. Each image is requested once; the images drawn longest ago are dropped first. An
 * image that failed to load is requested again while it is needed, less and less often, as the network may return.
 */
export class ImageCache {
  /** @param {() => void} onLoad  is called when an image has loaded, or can be requested again */
  constructor(onLoad) {
    this.onLoad = onLoad;
    /** @type {Map<string, CachedImage>} */
    this.entries = new Map();
    // The number of the present drawing.
    this.frame = 0;
  }

  /**
   * Return an image if it has loaded. If it has not, return null, and request the image if necessary.
   *
   * @param {string} url
   */
  get(url) {
    const entry = this.entries.get(url) || { image: new Image(), tries: 0, retryTime: 0, frame: 0, ready: false };
    const isDue = entry.retryTime > 0 && entry.retryTime <= performance.now();
    if (entry.tries === 0 || isDue) this.load(url, entry);
    this.entries.delete(url);
    this.entries.set(url, entry);
    entry.frame = this.frame;
    return entry.ready ? entry.image : null;
  }

  /**
   * Request the image of an entry.
   *
   * @param {string} url
   * @param {CachedImage} entry
   */
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
