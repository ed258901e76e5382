// Notices what a run changes: the stack itself, new sections, tiles of the section that is shown.

import { ServiceError, getJson } from "./service.js";

// between two questions, in ms: while tiles are loaded, and else
const LOADING_PAUSE = 2500;
const PAUSE = 15000;

export class RunWatch {
  /** `now()`: { stack, zValues, path, section }; the others are called with what has changed. */
  constructor(now, { stackChanged, zChanged, sectionChanged, waited }) {
    Object.assign(this, { now, stackChanged, zChanged, sectionChanged, waited });
    this.known = new Map();
    this.#wait();
  }

  #wait() {
    const pause = this.now().stack.state === "LOADING" ? LOADING_PAUSE : PAUSE;
    setTimeout(async () => {
      // a page that nobody sees asks nothing
      if (!document.hidden) await this.#look().catch((error) => { if (!(error instanceof ServiceError)) throw error; });
      this.#wait();
    }, pause);
  }

  async #look() {
    const { stack, zValues, path, section } = this.now();
    const found = await getJson(path);
    const isOther = ["lastModifiedTimestamp", "state", "currentVersionNumber"].some((name) => found[name] !== stack[name]);
    if (isOther || found.state === "LOADING") {
      const values = await getJson(`${path}/zValues`);
      const sameValues = values.length === zValues.length && values.every((z, index) => z === zValues[index]);
      if (isOther) return this.stackChanged(found, values);
      if (!sameValues) this.zChanged(values);
      if (section && (await this.#hasOtherTiles(section))) return this.sectionChanged();
    }
    this.waited();
    return undefined;
  }

  /** Whether counts or bounds of a section are others than at the last question, or, at the first, than shown. */
  async #hasOtherTiles({ layer, tiles }) {
    const data = await getJson(`${layer}/sectionData`);
    const text = JSON.stringify(data);
    const before = this.known.get(layer);
    this.known.set(layer, text);
    if (before !== undefined) return before !== text;
    return data.reduce((sum, { tileCount }) => sum + tileCount, 0) !== tiles.length;
  }
}
