// The page of a stack: one section at a time, as a picture and as a layout of tiles.

import { Layout } from "./layout.js";
import { address, isInstalled } from "./neuroglancer_link.js";
import { Picture } from "./picture.js";
import { ServiceError, count, getJson, make, putJson, stackPath } from "./service.js";
import { sectionText, showFacts, showLinks } from "./stack_facts.js";
import { around } from "./viewport.js";

const element = (id) => document.getElementById(id);

class StackPage {
  constructor(stack, zValues) {
    Object.assign(this, { stack, zValues, path: stackPath(stack.stackId), section: null, request: null });
    const keys = { PageUp: () => this.step(-1), PageDown: () => this.step(1) };
    this.layout = new Layout(element("layout"), {
      chosen: (tile) => this.showTile(tile),
      opened: (tile) => this.picture.goTo(tile),
      keys,
    });
    this.picture = new Picture(element("picture"), element("picture-status"), {
      keys,
      moved: (box) => this.showPlace(box),
    });
    this.listen();
  }

  listen() {
    const click = (id, act) => element(id).addEventListener("click", act);
    click("zoom-in", () => this.picture.zoomIn());
    click("zoom-out", () => this.picture.zoomOut());
    click("fit", () => this.picture.fit());
    click("previous", () => this.step(-1));
    click("next", () => this.step(1));
    element("sections").append(...this.zValues.map((z) => make("option", {}, String(z))));
    element("sections").addEventListener("change", () => this.go(element("sections").selectedIndex));
  }

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.zValues.length) this.go(index);
  }

  /** Show another section; an earlier request that still runs is given up. */
  async go(index) {
    this.index = index;
    this.request?.abort();
    this.request = new AbortController();
    this.showChoice();
    element("problem").textContent = "";
    try {
      await this.load(this.zValues[index], this.request.signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ServiceError)) throw error;
      element("problem").textContent = error.message;
    }
  }

  showChoice() {
    const z = this.zValues[this.index];
    element("sections").selectedIndex = this.index;
    element("previous").disabled = this.index === 0;
    element("next").disabled = this.index === this.zValues.length - 1;
    const query = new URLSearchParams(location.search);
    query.set("z", z);
    history.replaceState(null, "", `?${query}`);
    showLinks(element("links"), this.stack, z);
  }

  async load(z, signal) {
    const layer = `${this.path}/z/${encodeURIComponent(z)}`;
    const tiles = (await getJson(`${layer}/tileBounds`, signal)).filter((tile) => Number.isFinite(tile.minX));
    const bounds = around(tiles);
    const levels = tiles.length ? await this.levels(tiles[0], signal) : [0];
    element("section-facts").textContent = sectionText(tiles, bounds);
    const same = this.section && JSON.stringify(this.section.bounds) === JSON.stringify(bounds);
    this.section = bounds && {
      layer,
      bounds,
      tiles,
      // it only keeps caches apart: while tiles are loaded the tag of a picture stays
      query: `v=${Date.parse(this.stack.lastModifiedTimestamp) || 0}.${tiles.length}`,
      outlined: new Map(),
      sourceScale: (level) => 2 ** -Math.max(...levels.filter((known) => known <= level), 0),
    };
    this.layout.show(tiles);
    this.picture.show(this.section, same);
  }

  /** Mipmap levels that the first tile stands for. */
  async levels(tile, signal) {
    const [spec = {}] = await putJson(`${this.path}/tile-specs-with-ids`, [tile.tileId], signal);
    const images = spec.channels?.[0]?.mipmapLevels ?? spec.mipmapLevels ?? {};
    const built = this.stack.currentVersion?.mipmapPathBuilder?.numberOfLevels ?? 0;
    return [...Object.keys(images).map(Number), ...Array(built + 1).keys()];
  }

  showTile(tile) {
    element("tile").textContent = tile
      ? `${tile.tileId}: x ${count(tile.minX)} to ${count(tile.maxX)}, y ${count(tile.minY)} to ${count(tile.maxY)}`
      : "No tile chosen";
    // the path of a tile cannot hold a slash, not even an escaped one
    const linked = tile !== null && !tile.tileId.includes("/");
    element("tile-json").hidden = !linked;
    if (linked) element("tile-json").href = `${this.path}/tile/${encodeURIComponent(tile.tileId)}`;
  }

  showPlace(box) {
    const { x, y, zoom } = this.picture.view;
    this.layout.mark(box);
    element("place").textContent = this.section
      ? `x ${count(x)}, y ${count(y)}, ${(100 * zoom).toPrecision(2) * 1} %`
      : "";
    this.linkNeuroglancer(x, y, zoom);
  }

  linkNeuroglancer(x, y, zoom) {
    const z = this.zValues[this.index];
    const known = { COMPLETE: undefined, READ_ONLY: undefined, LOADING: this.looseBounds() };
    const offered = this.hasNeuroglancer && this.section && this.stack.state in known;
    element("neuroglancer").hidden = !offered;
    if (!offered) return;
    const place = { x: Math.round(x), y: Math.round(y), z: Math.floor(z), scale: 1 / zoom };
    element("neuroglancer").href = address(this.stack, place, known[this.stack.state]);
  }

  /** Of a stack without stats: the bounds of the section that is shown, and all z, as Neuroglancer reads them. */
  looseBounds() {
    if (!this.section) return undefined;
    const { minX, minY, maxX, maxY } = this.section.bounds;
    const low = { minX, minY, minZ: this.zValues[0] };
    const high = { maxX, maxY, maxZ: this.zValues.at(-1) };
    // whole numbers, the upper ones not included
    const each = (sides, change) => Object.entries(sides).map(([name, value]) => [name, change(value)]);
    return Object.fromEntries([...each(low, Math.floor), ...each(high, (value) => Math.ceil(value) + 1)]);
  }
}

function showTrail({ owner, project }) {
  const listing = (names) => `stacks.html?${new URLSearchParams(names)}`;
  element("trail").append(
    make("a", { href: "index.html" }, "Render service"),
    make("a", { href: "stacks.html" }, "Stacks"),
    make("a", { href: listing({ owner }) }, owner),
    make("a", { href: listing({ owner, project }) }, project),
  );
}

function showHead(stack) {
  element("state").textContent = stack.state;
  element("state").classList.add(stack.state);
  element("state").hidden = false;
}

async function start() {
  const query = new URLSearchParams(location.search);
  const names = Object.fromEntries(["owner", "project", "stack"].map((key) => [key, query.get(key) ?? ""]));
  document.title = `${names.stack} - stack`;
  element("name").textContent = names.stack || "No stack named";
  showTrail(names);
  if (!Object.values(names).every(Boolean)) throw new ServiceError("The address must name owner, project and stack.");
  const path = stackPath(names);
  const [stack, zValues] = await Promise.all([getJson(path), getJson(`${path}/zValues`)]);
  showHead(stack);
  showFacts(element("facts"), stack, zValues);
  showLinks(element("links"), stack);
  element("stack").hidden = false;
  element("status").textContent = zValues.length ? "" : "This stack has no sections.";
  document.body.classList.toggle("empty", zValues.length === 0);
  if (!zValues.length) return;
  const page = new StackPage(stack, zValues);
  page.hasNeuroglancer = await isInstalled();
  await page.go(Math.max(0, zValues.indexOf(Number(query.get("z") ?? NaN))));
}

start().catch((error) => {
  if (!(error instanceof ServiceError)) throw error;
  element("status").textContent = error.message;
  element("status").className = "error";
});
