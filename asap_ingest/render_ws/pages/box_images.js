// Which box images show a part of a section, and fetching them: a few at once, unwanted ones cancelled.

export const PIXELS = 512;
const AT_ONCE = 6;
const KEPT = 256;

/** Level whose scale 2^-level is the smallest that is no coarser than the screen. */
export const levelFor = (zoom) => Math.max(0, Math.floor(Math.log2(1 / zoom) + 1e-6));

/** Boxes of a level that cover the seen part of `bounds`, those in the middle first. */
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

/** Path of the image of a box below the path of a layer: without tiles that cannot be drawn, without seams. */
export function imagePath(layer, box, query) {
  const area = `${box.minX},${box.minY},${box.side},${box.side},${2 ** -box.level}`;
  return `${layer}/box/${area}/jpeg-image?missing=skip&seams=fill&${query}`;
}

/** What an image tells of tiles that it lacks: how many, and { tileId, reason } of the first ones. */
function missingTiles(headers) {
  const total = Number(headers.get("x-missing-tile-count") ?? 0);
  return { total, tiles: total ? JSON.parse(headers.get("x-missing-tiles")) : [] };
}

/** Images by path. `changed` is called when one has come or failed. */
export class BoxImages {
  constructor(changed) {
    this.changed = changed;
    this.images = new Map();
    this.failed = new Map();
    this.lacking = new Map();
    this.stale = new Set();
    this.running = new Map();
    this.waiting = [];
    this.wanted = [];
  }

  /** The image if it is here; being asked for makes it the last to be dropped. */
  get(path) {
    const image = this.images.get(path);
    if (image) {
      this.images.delete(path);
      this.images.set(path, image);
    }
    return image;
  }

  /** From now on these paths are wanted, in this order, then those ahead, and no others. */
  want(paths, ahead = []) {
    this.wanted = paths;
    const all = new Set([...paths, ...ahead]);
    for (const [path, controller] of this.running) if (!all.has(path)) controller.abort();
    this.waiting = [...all].filter((path) => !this.#isThere(path) && !this.running.has(path));
    this.#start();
  }

  #isThere(path) {
    return this.failed.has(path) || (this.images.has(path) && !this.stale.has(path));
  }

  /** How many of the wanted ones are still to come. */
  get missing() {
    return this.wanted.filter((path) => !this.images.has(path) && !this.failed.has(path)).length;
  }

  /** Forget failures, and fetch pictures that lack tiles again, so that what has come back is shown. */
  retry() {
    this.failed.clear();
    for (const path of this.lacking.keys()) this.stale.add(path);
  }

  #start() {
    while (this.waiting.length && this.running.size < AT_ONCE) this.#fetch(this.waiting.shift());
  }

  async #fetch(path) {
    const controller = new AbortController();
    this.running.set(path, controller);
    try {
      const answer = await fetch(path, { signal: controller.signal });
      if (answer.ok) this.#keep(path, await createImageBitmap(await answer.blob()), missingTiles(answer.headers));
      else this.failed.set(path, (await answer.text()) || `The service answered ${answer.status}.`);
    } catch (error) {
      if (error.name !== "AbortError") this.failed.set(path, "The service does not answer.");
    }
    this.running.delete(path);
    this.#start();
    this.changed();
  }

  #keep(path, image, lacking) {
    this.images.get(path)?.close();
    this.images.delete(path);
    this.images.set(path, image);
    this.stale.delete(path);
    if (lacking.total) this.lacking.set(path, lacking);
    else this.lacking.delete(path);
    for (const [oldest, old] of this.images) {
      if (this.images.size <= KEPT) break;
      for (const about of [this.images, this.lacking, this.stale]) about.delete(oldest);
      old.close();
    }
  }
}
