// Choosing a section: buttons, a slider over all sections, and a field for z.

import { count } from "./service.js";

// a section is shown when the slider has not moved for so long, in ms
const REST = 60;

export class ZChoice {
  /** `elements`: { previous, next, slider, form, field, position, problem }; `go(index)` shows a section. */
  constructor(elements, zValues, go) {
    Object.assign(this, { elements, zValues, go, index: 0 });
    const { previous, next, slider, form, field } = elements;
    previous.addEventListener("click", () => this.step(-1));
    next.addEventListener("click", () => this.step(1));
    slider.addEventListener("input", () => {
      this.show(Number(slider.value));
      clearTimeout(this.timer);
      this.timer = setTimeout(() => go(this.index), REST);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#goToZ(field.value);
    });
    field.addEventListener("focus", () => field.select());
  }

  /** Replace the list of sections; the one that is shown stays if it is in the new list. */
  setValues(zValues) {
    const z = this.zValues[this.index];
    this.zValues = zValues;
    this.show(Math.max(0, zValues.indexOf(z)));
  }

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.zValues.length) this.go(index);
  }

  /** Show in the controls which section is chosen. */
  show(index) {
    const { previous, next, slider, field, position, problem } = this.elements;
    const z = this.zValues[index];
    this.index = index;
    slider.max = this.zValues.length - 1;
    slider.value = index;
    slider.ariaValueText = `z ${z}`;
    slider.disabled = this.zValues.length < 2;
    if (document.activeElement !== field) field.value = z;
    previous.disabled = index === 0;
    next.disabled = index === this.zValues.length - 1;
    position.textContent = `${count(index + 1)} of ${count(this.zValues.length)}`;
    problem.textContent = "";
  }

  /** The section at a z, or the one nearest to it. */
  #goToZ(text) {
    const { field, problem } = this.elements;
    const z = Number(text);
    if (text.trim() === "" || !Number.isFinite(z)) {
      problem.textContent = `"${text}" is not a z: type a number between ${this.zValues[0]} and ${this.zValues.at(-1)}.`;
      return;
    }
    const away = this.zValues.map((value) => Math.abs(value - z));
    const index = away.indexOf(away.reduce((least, value) => Math.min(least, value)));
    this.go(index);
    field.value = this.zValues[index];
    if (this.zValues[index] !== z) problem.textContent = `There is no section at z ${z}; the nearest is at z ${field.value}.`;
  }
}
