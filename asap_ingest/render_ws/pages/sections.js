// Sections of a stack: tiles, bounds, and what requests for images need; the most recently used ones are cached.

import { getJson, putJson, stackPath } from "./service.js";
import { around } from "./viewport.js";

const MOST_CACHED = 12;

export class Sections {
  constructor(stack, zValues) {
    Object.assign(this, { stack, zValues, path: stackPath(stack.stackId), cache: new Map() });
  }

  /** The stack has changed, or of its sections only that at `z`: drop what is cached of it. */
  changed(stack, zValues, z = null) {
    Object.assign(this, { stack, zValues });
    if (z === null) this.cache.clear();
    else this.cache.delete(z);
  }

  /** The section at z, null where there are no tiles; a failed request is not cached. */
  async get(z) {
    const known = this.cache.get(z) ?? this.#load(z);
    this.cache.delete(z);
    this.cache.set(z, known);
    for (const oldest of this.cache.keys()) {
      if (this.cache.size <= MOST_CACHED) break;
      this.cache.delete(oldest);
    }
    try {
      return await known;
    } catch (error) {
      this.cache.delete(z);
      throw error;
    }
  }

  async #load(z) {
    const layer = `${this.path}/z/${encodeURIComponent(z)}`;
    const tiles = (await getJson(`${layer}/tileBounds`)).filter((tile) => Number.isFinite(tile.minX));
    if (!tiles.length) return null;
    const levels = await this.#levels(tiles[0]);
    return {
      z,
      layer,
      bounds: around(tiles),
      tiles,
      // this only defeats the cache of the browser: while tiles are loaded, the tag of an image stays the same
      query: `v=${Date.parse(this.stack.lastModifiedTimestamp) || 0}.${tiles.length}`,
      outlined: new Map(),
      // reasons by tile id: of tiles without files, and of all that cannot be drawn
      files: new Map(),
      missing: new Map(),
      sourceScale: (level) => 2 ** -Math.max(...levels.filter((known) => known <= level), 0),
    };
  }

  /** Mipmap levels of a tile; the first one stands for all of a section. */
  async #levels(tile) {
    const [spec = {}] = await putJson(`${this.path}/tile-specs-with-ids`, [tile.tileId]);
    const images = spec.channels?.[0]?.mipmapLevels ?? spec.mipmapLevels ?? {};
    const built = this.stack.currentVersion?.mipmapPathBuilder?.numberOfLevels ?? 0;
    return [...Object.keys(images).map(Number), ...Array(built + 1).keys()];
  }

  /** Request which tiles of a section lack their files; `again`: also if that is known already. */
  async checkFiles(section, again = false) {
    if (again || !section.checked) section.checked = getJson(`${section.layer}/missing-tiles`);
    const tiles = await section.checked;
    section.files = new Map(tiles.map(({ tileId, reason }) => [tileId, reason]));
  }
}
