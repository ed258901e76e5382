// Notices what a run changes: the stack itself, new sections, tiles of the section that is shown.

import { ServiceError, getJson } from "./service.js";

// between two questions, in ms: while tiles are loaded, and else
const LOADING_PAUSE = 2500;
const PAUSE = 15000;

export class RunWatch {
  /** `now()`: { stack, zValues, layer, path }; the others are called with what has changed. */
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
    const { stack, zValues, path, layer } = this.now();
    const found = await getJson(path);
    const isOther = ["lastModifiedTimestamp", "state", "currentVersionNumber"].some((name) => found[name] !== stack[name]);
    if (isOther || found.state === "LOADING") {
      const values = await getJson(`${path}/zValues`);
      const sameValues = values.length === zValues.length && values.every((z, index) => z === zValues[index]);
      if (isOther) return this.stackChanged(found, values);
      if (!sameValues) this.zChanged(values);
      if (layer && (await this.#hasOtherTiles(layer))) return this.sectionChanged();
    }
    this.waited();
    return undefined;
  }

  /** Whether counts or bounds of a section are others than at the last question. */
  async #hasOtherTiles(layer) {
    const text = JSON.stringify(await getJson(`${layer}/sectionData`));
    const before = this.known.get(layer);
    this.known.set(layer, text);
    return before !== undefined && before !== text;
  }
}
