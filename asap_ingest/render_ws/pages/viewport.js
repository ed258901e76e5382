// A window on world coordinates: which point is in the middle, and how many screen pixels a world pixel takes.

export class Viewport {
  constructor() {
    Object.assign(this, { x: 0, y: 0, zoom: 1, width: 1, height: 1, minZoom: 1e-9, maxZoom: 64 });
  }

  /** Show a whole box { minX, minY, maxX, maxY }, with a small margin; half of that is the furthest out. */
  fit(box) {
    const [width, height] = [Math.max(box.maxX - box.minX, 1), Math.max(box.maxY - box.minY, 1)];
    this.x = (box.minX + box.maxX) / 2;
    this.y = (box.minY + box.maxY) / 2;
    this.zoom = 0.95 * Math.min(this.width / width, this.height / height);
    this.minZoom = Math.min(this.zoom / 2, 1);
  }

  /** Zoom by a factor; the world point below screen (x, y) stays there. */
  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.toWorld(x, y);
    this.zoom = Math.min(this.maxZoom, Math.max(this.minZoom, this.zoom * factor));
    const after = this.toWorld(x, y);
    this.x += before.x - after.x;
    this.y += before.y - after.y;
  }

  /** Move by screen pixels. */
  pan(x, y) {
    this.x += x / this.zoom;
    this.y += y / this.zoom;
  }

  toScreen(x, y) {
    return { x: (x - this.x) * this.zoom + this.width / 2, y: (y - this.y) * this.zoom + this.height / 2 };
  }

  toWorld(x, y) {
    return { x: (x - this.width / 2) / this.zoom + this.x, y: (y - this.height / 2) / this.zoom + this.y };
  }

  /** What can be seen, in world coordinates. */
  box() {
    const [low, high] = [this.toWorld(0, 0), this.toWorld(this.width, this.height)];
    return { minX: low.x, minY: low.y, maxX: high.x, maxY: high.y };
  }
}

/** The smallest box around tile bounds; null for none. */
export function around(boxes) {
  if (!boxes.length) return null;
  const all = { minX: Infinity, minY: Infinity, maxX: -Infinity, maxY: -Infinity };
  for (const box of boxes) {
    all.minX = Math.min(all.minX, box.minX);
    all.minY = Math.min(all.minY, box.minY);
    all.maxX = Math.max(all.maxX, box.maxX);
    all.maxY = Math.max(all.maxY, box.maxY);
  }
  return all;
}

export const overlap = (a, b) => a.minX < b.maxX && a.maxX > b.minX && a.minY < b.maxY && a.maxY > b.minY;

/** The tile at a point of the world, of several the last, which is drawn on top; null for none. */
export const tileAt = (tiles, { x, y }) =>
  tiles.findLast((tile) => tile.minX <= x && x <= tile.maxX && tile.minY <= y && y <= tile.maxY) ?? null;
