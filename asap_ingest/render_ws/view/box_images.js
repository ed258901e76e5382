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

/** Path of the image of a box below the path of a layer. */
export function imagePath(layer, box, query) {
  return `${layer}/box/${box.minX},${box.minY},${box.side},${box.side},${2 ** -box.level}/jpeg-image?${query}`;
}

/** Images by path. `changed` is called when one has come or failed. */
export class BoxImages {
  constructor(changed) {
    this.changed = changed;
    this.images = new Map();
    this.failed = new Map();
    this.running = new Map();
    this.waiting = [];
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

  /** From now on these paths are wanted, in this order, and no others. */
  want(paths) {
    const wanted = new Set(paths);
    for (const [path, controller] of this.running) if (!wanted.has(path)) controller.abort();
    this.waiting = paths.filter((path) => ![this.images, this.failed, this.running].some((m) => m.has(path)));
    this.#start();
  }

  /** How many are still to come. */
  get missing() {
    return this.waiting.length + this.running.size;
  }

  /** Forget failures, so that they are tried again. */
  retry() {
    this.failed.clear();
  }

  #start() {
    while (this.waiting.length && this.running.size < AT_ONCE) this.#fetch(this.waiting.shift());
  }

  async #fetch(path) {
    const controller = new AbortController();
    this.running.set(path, controller);
    try {
      const answer = await fetch(path, { signal: controller.signal });
      if (answer.ok) this.#keep(path, await createImageBitmap(await answer.blob()));
      else this.failed.set(path, (await answer.text()) || `The service answered ${answer.status}.`);
    } catch (error) {
      if (error.name !== "AbortError") this.failed.set(path, "The service does not answer.");
    }
    this.running.delete(path);
    this.#start();
    this.changed();
  }

  #keep(path, image) {
    this.images.set(path, image);
    for (const [oldest, old] of this.images) {
      if (this.images.size <= KEPT) break;
      this.images.delete(oldest);
      old.close();
    }
  }
}
