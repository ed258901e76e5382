// The view of a section: its picture, with another stack beside it, its tiles, and all that moves them.

import { ContrastSliders } from "./contrast.js";
import { Layout } from "./layout.js";
import { showMissingTiles } from "./missing_list.js";
import { linkNeuroglancer } from "./neuroglancer_button.js";
import { listenToKeys } from "./page_keys.js";
import { Picture } from "./picture.js";
import { ServiceError, count, element, getJson, stackPath } from "./service.js";
import { Sections } from "./sections.js";
import { sectionText, showLinks } from "./stack_facts.js";
import { ViewAddress, readView } from "./view_address.js";
import { copyAddress, download, toggleFullScreen } from "./view_actions.js";
import { ZChoice } from "./z_choice.js";

// sections that are fetched ahead, in the direction of the last step
const AHEAD = [1, 2, -1];

export class SectionView {
  /** `hasNeuroglancer`: whether its client is installed. */
  constructor(stack, zValues, hasNeuroglancer) {
    this.hasNeuroglancer = hasNeuroglancer;
    this.sections = new Sections(stack, zValues);
    this.initial = readView(new URLSearchParams(location.search));
    this.range = this.initial.contrast ?? { low: 0, high: 255 };
    this.direction = 1;
    this.layout = new Layout(element("layout"), {
      chosen: (tile) => this.#showTile(tile),
      opened: (tile) => this.picture.goTo(tile),
    });
    this.picture = this.#makePicture("picture", stack);
    this.address = new ViewAddress(() => this.#view());
    this.choice = new ZChoice(
      Object.fromEntries(
        ["previous", "next", "slider", "form", "field", "position", "problem"].map((name) => [name, element(`z-${name}`)]),
      ),
      zValues,
      (index) => this.go(index),
    );
    this.sliders = new ContrastSliders(element("low"), element("high"), element("range"), (range) => this.setRange(range));
    this.#listen();
    this.setRange(this.range);
    this.setOutlines(this.initial.outlines);
    if (this.initial.place) this.picture.place(this.initial.place);
  }

  get z() {
    return this.choice.zValues[this.choice.index];
  }

  #makePicture(id, stack) {
    return new Picture(element(id), element(`${id}-status`), {
      nm: stack.currentVersion?.stackResolutionX,
      moved: (quietly) => this.#moved(id, quietly),
      settled: () => this.#settled(id),
    });
  }

  #listen() {
    const click = (id, act) => element(id).addEventListener("click", act);
    const zoom = (factor) => {
      this.picture.view.zoomBy(factor);
      this.picture.changed();
    };
    const actions = {
      outlines: () => this.setOutlines(!this.picture.overlay.outlines),
      auto: () => this.#autoRange(),
      fit: () => this.picture.fit(),
      "full-screen": () => toggleFullScreen(element("viewer")),
    };
    click("zoom-in", () => zoom(1.5));
    click("zoom-out", () => zoom(1 / 1.5));
    for (const [id, act] of Object.entries(actions)) click(id, act);
    click("full-range", () => this.setRange({ low: 0, high: 255 }));
    click("copy", () => {
      this.address.write();
      copyAddress(element("done"));
    });
    click("download", () => download(this.picture.canvas, this.#fileName()));
    element("full-screen").hidden = !document.fullscreenEnabled;
    element("beside").addEventListener("change", () => this.setBeside(element("beside").value));
    this.picture.canvas.addEventListener("pointermove", (event) => this.layout.choose(this.picture.tileAt(event)));
    const [back, ahead] = [() => this.choice.step(-1), () => this.choice.step(1)];
    listenToKeys(
      {
        PageUp: back,
        ",": back,
        PageDown: ahead,
        ".": ahead,
        0: actions.fit,
        Home: actions.fit,
        o: actions.outlines,
        a: actions.auto,
        f: actions["full-screen"],
        g: () => element("z-field").focus(),
      },
      this.picture,
    );
  }

  /** Show the section at an index, unless another is chosen before it has come. */
  async go(index) {
    this.direction = Math.sign(index - this.choice.index) || this.direction;
    this.choice.show(index);
    this.address?.changed();
    showLinks(element("links"), this.sections.stack, this.z);
    await Promise.all([this.#load(), this.#loadBeside()]);
  }

  /** Show the stack as it is now; with `z`, only that section has changed. */
  reload(stack, zValues, z = null) {
    this.sections.changed(stack, zValues, z);
    this.choice.setValues(zValues);
    return this.go(this.choice.index);
  }

  async #load() {
    const { z } = this;
    try {
      const section = await this.sections.get(z);
      if (z !== this.z) return;
      this.picture.show(section);
      this.layout.show(section?.tiles ?? []);
      this.#showMissing();
      element("section-facts").textContent = sectionText(section?.tiles ?? [], section?.bounds);
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      if (z !== this.z) return;
      // what is still shown is of another z
      this.picture.show(null);
      this.layout.show([]);
      element("section-facts").textContent = "";
      element("z-problem").textContent = error.message;
    }
  }

  async #loadBeside() {
    if (!this.beside) return;
    const { z, beside } = this;
    const status = element("picture-beside-status");
    try {
      const section = beside.sections.zValues.includes(z) ? await beside.sections.get(z) : null;
      if (z !== this.z || beside !== this.beside) return;
      beside.picture.show(section);
      if (!section) status.textContent = `${beside.name} has no section at z ${z}`;
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      status.textContent = error.message;
    }
  }

  /** Show another stack of the project at the same place; "" for none. */
  async setBeside(name) {
    element("beside").value = name;
    element("beside-side").hidden = !name;
    element("viewer").classList.toggle("two", Boolean(name));
    this.beside = undefined;
    this.address.changed();
    if (!name) return;
    const path = stackPath({ ...this.sections.stack.stackId, stack: name });
    element("beside-name").textContent = name;
    try {
      const [stack, zValues] = await Promise.all([getJson(path), getJson(`${path}/zValues`)]);
      this.besidePicture ??= this.#makePicture("picture-beside", stack);
      const { view } = this.picture;
      this.besidePicture.place(view);
      this.besidePicture.setRange(this.range);
      this.besidePicture.overlay.outlines = this.picture.overlay.outlines;
      this.beside = { name, sections: new Sections(stack, zValues), picture: this.besidePicture };
      await this.#loadBeside();
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      element("picture-beside-status").textContent = error.message;
    }
  }

  setRange(range) {
    this.range = range;
    this.sliders.show(range);
    this.#eachPicture((picture) => picture.setRange(range));
    this.address.changed();
  }

  #autoRange() {
    this.setRange(this.picture.automaticRange());
  }

  setOutlines(on) {
    element("outlines").ariaPressed = String(on);
    this.#eachPicture((picture) => {
      picture.overlay.outlines = on;
      picture.redraw();
    });
    this.address.changed();
  }

  #eachPicture(act) {
    act(this.picture);
    if (this.besidePicture) act(this.besidePicture);
  }

  #moved(id, quietly) {
    const [from, to] = id === "picture" ? [this.picture, this.beside?.picture] : [this.beside?.picture, this.picture];
    // both show the same place: the one that is moved leads the other, whose own call of this is ignored
    if (from && to && !this.following && !(quietly && id !== "picture")) {
      this.following = true;
      to.place(from.view);
      this.following = false;
    }
    if (this.picture && this.address) this.#showPlace();
  }

  async #settled(id) {
    if (id !== "picture") return;
    const { section } = this.picture;
    const ahead = AHEAD.map((step) => this.choice.zValues[this.choice.index + step * this.direction]);
    try {
      await this.sections.checkFiles(section);
      if (section !== this.picture.section) return;
      this.#showMissing();
      const sections = await Promise.all(ahead.filter((z) => z !== undefined).map((z) => this.sections.get(z)));
      if (section === this.picture.section) this.picture.fetchAhead(sections);
    } catch (error) {
      // the section is shown all the same: the next step reports what is wrong
      if (!(error instanceof ServiceError)) throw error;
    }
  }

  #showMissing() {
    this.picture.updateMissing();
    const { section } = this.picture;
    const missing = section?.missing ?? new Map();
    const tile = (tileId) => section.tiles.find((one) => one.tileId === tileId);
    showMissingTiles(element("missing"), missing, (tileId) => tile(tileId) && this.picture.goTo(tile(tileId)));
    this.layout.markMissing(missing);
  }

  /** Check again whether missing files are there now. */
  async lookAgain() {
    const { section } = this.picture;
    if (!section?.missing.size) return;
    await this.sections.checkFiles(section, true);
    this.picture.retry();
    this.#showMissing();
  }

  #showTile(tile) {
    const reason = tile && this.picture.section?.missing.get(tile.tileId);
    element("tile").textContent = tile
      ? `${tile.tileId}: x ${count(tile.minX)} to ${count(tile.maxX)}, y ${count(tile.minY)} to ${count(tile.maxY)}`
      : "No tile chosen";
    element("tile-problem").textContent = reason ? `missing: ${reason}` : "";
    // the path of a tile cannot hold a slash, not even an escaped one
    const linked = tile !== null && !tile.tileId.includes("/");
    element("tile-json").hidden = !linked;
    if (linked) element("tile-json").href = `${this.sections.path}/tile/${encodeURIComponent(tile.tileId)}`;
  }

  #showPlace() {
    const { view, section } = this.picture;
    this.address.changed();
    this.layout.mark(view.box());
    element("place").textContent = section
      ? `x ${count(view.x)}, y ${count(view.y)}, ${(100 * view.zoom).toPrecision(2) * 1} %`
      : "";
    linkNeuroglancer(this.hasNeuroglancer, this.sections.stack, this.choice.zValues, { ...view, z: this.z }, section);
  }

  #view() {
    const { view, placed, overlay } = this.picture;
    const { range: contrast, z } = this;
    return { z, place: placed ? view : null, contrast, outlines: overlay.outlines, beside: element("beside").value };
  }

  #fileName() {
    const { x, y } = this.picture.view;
    return `${this.sections.stack.stackId.stack}_z${this.z}_x${Math.round(x)}_y${Math.round(y)}.png`;
  }
}
