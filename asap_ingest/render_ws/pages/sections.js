// Sections of a stack: tiles, bounds, and how to ask for pictures; those looked at last are kept.

import { getJson, putJson, stackPath } from "./service.js";
import { around } from "./viewport.js";

const KEPT = 12;

export class Sections {
  constructor(stack, zValues) {
    Object.assign(this, { stack, zValues, path: stackPath(stack.stackId), kept: new Map() });
  }

  /** The stack has changed, or `z` alone: what was kept of it is asked for again. */
  changed(stack, zValues, z = null) {
    Object.assign(this, { stack, zValues });
    if (z === null) this.kept.clear();
    else this.kept.delete(z);
  }

  /** The section at z, which a cancelled request leaves unknown; null where there are no tiles. */
  async get(z) {
    const known = this.kept.get(z) ?? this.#load(z);
    this.kept.delete(z);
    this.kept.set(z, known);
    for (const oldest of this.kept.keys()) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
    }
    try {
      return await known;
    } catch (error) {
      this.kept.delete(z);
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
      // it only keeps caches apart: while tiles are loaded the tag of a picture stays
      query: `v=${Date.parse(this.stack.lastModifiedTimestamp) || 0}.${tiles.length}`,
      outlined: new Map(),
      // tile ids and reasons: of tiles without files, and of all that cannot be drawn
      files: new Map(),
      missing: new Map(),
      sourceScale: (level) => 2 ** -Math.max(...levels.filter((known) => known <= level), 0),
    };
  }

  /** Mipmap levels that the first tile stands for. */
  async #levels(tile) {
    const [spec = {}] = await putJson(`${this.path}/tile-specs-with-ids`, [tile.tileId]);
    const images = spec.channels?.[0]?.mipmapLevels ?? spec.mipmapLevels ?? {};
    const built = this.stack.currentVersion?.mipmapPathBuilder?.numberOfLevels ?? 0;
    return [...Object.keys(images).map(Number), ...Array(built + 1).keys()];
  }

  /** Ask which tiles of a section have files that are not there; `again`: also when it was asked before. */
  async checkFiles(section, again = false) {
    if (again || !section.checked) section.checked = getJson(`${section.layer}/missing-tiles`);
    const tiles = await section.checked;
    section.files = new Map(tiles.map(({ tileId, reason }) => [tileId, reason]));
  }
}
