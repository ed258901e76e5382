// Keys that work on the whole page, except where an element needs them itself.

import { viewKey } from "./picture_input.js";

// keys that move a slider
const SLIDER = /^(Arrow|Page|Home|End)/;

function isTakenBy(element, key) {
  if (element.matches("input[type=range]")) return SLIDER.test(key);
  if (element.matches("input, textarea, select")) return true;
  return element.matches("#layout") && key.startsWith("Arrow");
}

/** Whether more than half of the picture is on the screen: then arrow keys move it, and not the page. */
function isSeen(canvas) {
  const { top, bottom, height } = canvas.getBoundingClientRect();
  return Math.min(bottom, window.innerHeight) - Math.max(top, 0) > height / 2;
}

/** `actions`: functions by key; keys that move a view go to the picture. */
export function listenToKeys(actions, picture) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && isTakenBy(event.target, event.key)) return;
    const move = viewKey(event.key);
    const act = actions[event.key];
    if (!act && !(move && isSeen(picture.canvas))) return;
    event.preventDefault();
    if (act) act();
    else {
      move(picture.view);
      picture.changed();
    }
  });
}
