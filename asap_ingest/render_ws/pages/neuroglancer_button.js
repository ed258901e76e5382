// The button that opens Neuroglancer in a new tab at what is seen, or what to do where it is not installed.

import { address } from "./neuroglancer_link.js";
import { element } from "./service.js";

/** `view`: { x, y, z, zoom }; `section`: what is shown of the stack, null for nothing. */
export function linkNeuroglancer(isInstalled, stack, zValues, view, section) {
  const isOffered = Boolean(section) && stack.state !== "OFFLINE";
  element("neuroglancer").hidden = !(isOffered && isInstalled);
  element("no-neuroglancer").hidden = !isOffered || isInstalled;
  if (!isOffered) return;
  const place = { x: Math.round(view.x), y: Math.round(view.y), z: Math.floor(view.z), scale: 1 / view.zoom };
  const bounds = stack.state === "LOADING" ? boundsSoFar(section, zValues) : undefined;
  element("neuroglancer").href = address(stack, place, bounds);
}

/** In place of the stats that a LOADING stack lacks: bounds of the section and all z, upper ones excluded. */
function boundsSoFar({ bounds }, zValues) {
  const low = { minX: bounds.minX, minY: bounds.minY, minZ: zValues[0] };
  const high = { maxX: bounds.maxX, maxY: bounds.maxY, maxZ: zValues.at(-1) };
  const whole = (sides, change) => Object.entries(sides).map(([name, value]) => [name, change(value)]);
  return Object.fromEntries([...whole(low, Math.floor), ...whole(high, (value) => Math.ceil(value) + 1)]);
}
