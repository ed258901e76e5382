// Polls the service for what a run changes: the stack itself, its sections, tiles of the section that is shown.

import { ServiceError, getJson } from "./service.js";

// ms between two polls: while tiles are loaded, and otherwise
const LOADING_PAUSE = 2500;
const PAUSE = 15000;

export class RunWatch {
  /** `shown()`: the { stack, zValues, path, section } of the page; after each poll one of the others is called. */
  constructor(shown, { stackChanged, zChanged, sectionChanged, unchanged }) {
    Object.assign(this, { shown, stackChanged, zChanged, sectionChanged, unchanged });
    this.sectionData = new Map();
    this.#wait();
  }

  #wait() {
    const pause = this.shown().stack.state === "LOADING" ? LOADING_PAUSE : PAUSE;
    setTimeout(async () => {
      try {
        if (!document.hidden) await this.#poll();
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
      } finally {
        this.#wait();
      }
    }, pause);
  }

  async #poll() {
    const { stack, zValues, path, section } = this.shown();
    const latest = await getJson(path);
    const hasChanged = ["lastModifiedTimestamp", "state", "currentVersionNumber"].some((name) => latest[name] !== stack[name]);
    if (hasChanged || latest.state === "LOADING") {
      const values = await getJson(`${path}/zValues`);
      const sameValues = values.length === zValues.length && values.every((z, index) => z === zValues[index]);
      if (hasChanged) return this.stackChanged(latest, values);
      if (!sameValues) return this.zChanged(values);
      if (section && (await this.#hasOtherTiles(section))) return this.sectionChanged();
    }
    return this.unchanged();
  }

  /** Whether tile count or bounds of a section differ from the last poll, or at the first from what is shown. */
  async #hasOtherTiles({ layer, tiles }) {
    const data = await getJson(`${layer}/sectionData`);
    const text = JSON.stringify(data);
    const before = this.sectionData.get(layer);
    this.sectionData.set(layer, text);
    if (before !== undefined) return before !== text;
    return data.reduce((sum, { tileCount }) => sum + tileCount, 0) !== tiles.length;
  }
}
