// Box images: which of them cover a view, and a cache that fetches a few at once and cancels what is not wanted any more.

import { missingTiles } from "./service.js";

export const PIXELS = 512;
const MOST_REQUESTS = 6;
const MOST_CACHED = 256;

/** Level whose scale 2^-level is the smallest that is no coarser than the screen. */
export const levelFor = (zoom) => Math.max(0, Math.floor(Math.log2(1 / zoom) + 1e-6));

/** Boxes of a level that cover the part of `bounds` in view (`seen`), from its middle outwards. */
export function boxesOf(seen, bounds, level) {
  const side = PIXELS * 2 ** level;
  const low = (edge, start) => Math.max(0, Math.floor((edge - start) / side));
  const [firstColumn, firstRow] = [low(seen.minX, bounds.minX), low(seen.minY, bounds.minY)];
  const boxes = [];
  for (let row = firstRow; bounds.minY + row * side < Math.min(seen.maxY, bounds.maxY); row++) {
    for (let column = firstColumn; bounds.minX + column * side < Math.min(seen.maxX, bounds.maxX); column++) {
      const [minX, minY] = [bounds.minX + column * side, bounds.minY + row * side];
      boxes.push({ level, minX, minY, maxX: minX + side, maxY: minY + side, side });
    }
  }
  const [x, y] = [(seen.minX + seen.maxX) / 2, (seen.minY + seen.maxY) / 2];
  const away = (box) => Math.hypot(box.minX + box.side / 2 - x, box.minY + box.side / 2 - y);
  return boxes.sort((a, b) => away(a) - away(b));
}

/** Path of the image of a box; `layer` is that of the section. Tiles that cannot be drawn are left out. */
export function imagePath(layer, box, query) {
  const area = `${box.minX},${box.minY},${box.side},${box.side},${2 ** -box.level}`;
  return `${layer}/box/${area}/jpeg-image?missing=skip&seams=fill&${query}`;
}

/** Images by path, the most recently used ones cached. `changed` is called when one has come or failed. */
export class BoxImages {
  constructor(changed) {
    this.changed = changed;
    this.images = new Map();
    this.failed = new Map(); // reasons
    this.incomplete = new Map(); // missing tiles of images that lack some
    this.stale = new Set(); // images that are drawn, but to be fetched again
    this.running = new Map(); // controllers of requests
    this.waiting = []; // paths to fetch next
    this.wanted = []; // paths of the view
  }

  /** The image if it is cached; it becomes the most recently used. */
  get(path) {
    const image = this.images.get(path);
    if (image) {
      this.images.delete(path);
      this.images.set(path, image);
    }
    return image;
  }

  /** Fetch these paths in this order, then those ahead; cancel all others. */
  want(paths, ahead = []) {
    this.wanted = paths;
    const all = new Set([...paths, ...ahead]);
    for (const [path, controller] of this.running) if (!all.has(path)) controller.abort();
    this.waiting = [...all].filter((path) => !this.#isUpToDate(path) && !this.running.has(path));
    this.#start();
  }

  #isUpToDate(path) {
    return this.failed.has(path) || (this.images.has(path) && !this.stale.has(path));
  }

  /** How many of the wanted paths have neither come nor failed. */
  get pending() {
    return this.wanted.filter((path) => !this.images.has(path) && !this.failed.has(path)).length;
  }

  /** Forget failures, and let images that lack tiles be fetched again; they are drawn until then. */
  retry() {
    this.failed.clear();
    for (const path of this.incomplete.keys()) this.stale.add(path);
  }

  #start() {
    while (this.waiting.length && this.running.size < MOST_REQUESTS) this.#fetch(this.waiting.shift());
  }

  async #fetch(path) {
    const controller = new AbortController();
    this.running.set(path, controller);
    try {
      const answer = await fetch(path, { signal: controller.signal });
      if (answer.ok) this.#store(path, await createImageBitmap(await answer.blob()), missingTiles(answer.headers));
      else this.failed.set(path, (await answer.text()) || `The service answered ${answer.status}.`);
    } catch (error) {
      if (error.name !== "AbortError") this.failed.set(path, "The service does not answer.");
    }
    this.running.delete(path);
    this.#start();
    this.changed();
  }

  #store(path, image, missing) {
    this.images.get(path)?.close();
    this.images.delete(path);
    this.images.set(path, image);
    this.stale.delete(path);
    if (missing.total) this.incomplete.set(path, missing);
    else this.incomplete.delete(path);
    for (const [oldest, old] of this.images) {
      if (this.images.size <= MOST_CACHED) break;
      for (const byPath of [this.images, this.incomplete, this.stale]) byPath.delete(oldest);
      old.close();
    }
  }
}
