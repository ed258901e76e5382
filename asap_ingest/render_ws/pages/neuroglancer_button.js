// The button that opens Neuroglancer in a new tab at what is seen, or what to do where it is not installed.

import { address } from "./neuroglancer_link.js";
import { element } from "./view_actions.js";

/** `isThere`: whether the client is installed; `view`: { x, y, z, zoom }. */
export function linkNeuroglancer(isThere, stack, zValues, view, section) {
  const known = { COMPLETE: undefined, READ_ONLY: undefined, LOADING: section && looseBounds(section, zValues) };
  const isOffered = Boolean(section) && stack.state in known;
  element("neuroglancer").hidden = !(isOffered && isThere);
  element("no-neuroglancer").hidden = !isOffered || isThere;
  if (!isOffered) return;
  const place = { x: Math.round(view.x), y: Math.round(view.y), z: Math.floor(view.z), scale: 1 / view.zoom };
  element("neuroglancer").href = address(stack, place, known[stack.state]);
}

/** Of a stack without stats: the bounds of the section that is shown, and all z, as Neuroglancer reads them. */
function looseBounds({ bounds: { minX, minY, maxX, maxY } }, zValues) {
  const low = { minX, minY, minZ: zValues[0] };
  const high = { maxX, maxY, maxZ: zValues.at(-1) };
  // whole numbers, the upper ones not included
  const each = (sides, change) => Object.entries(sides).map(([name, value]) => [name, change(value)]);
  return Object.fromEntries([...each(low, Math.floor), ...each(high, (value) => Math.ceil(value) + 1)]);
}
