// The badge of a stack whose section lacks tiles, and the list of them with the reasons.

import { make, plural } from "./service.js";

const MOST_LISTED = 100;

/** Show "3 tiles missing" in a `details` element, hidden where none is; `goTo(tileId)` shows one. */
export function showMissingTiles(details, missing, goTo) {
  details.hidden = missing.size === 0;
  const text = `${plural(missing.size, "tile")} missing`;
  const summary = details.querySelector("summary");
  if (summary.textContent === text) return;
  summary.textContent = text;
  const lines = [...missing].slice(0, MOST_LISTED).map(([tileId, reason]) => {
    const button = make("button", { type: "button", class: "plain" }, tileId);
    button.addEventListener("click", () => goTo(tileId));
    return make("li", {}, button, ` ${reason}`);
  });
  if (missing.size > lines.length) lines.push(make("li", {}, `and ${missing.size - lines.length} more`));
  details.querySelector("ul").replaceChildren(...lines);
}
