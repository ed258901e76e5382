// What all pages need: requests to the service, addresses of pages, and elements, whose content is text, never markup.

export const V1 = "/render-ws/v1";

export class ServiceError extends Error {}

/** Path of a stack; names may hold any character. */
export function stackPath({ owner, project, stack }) {
  const part = encodeURIComponent;
  return `${V1}/owner/${part(owner)}/project/${part(project)}/stack/${part(stack)}`;
}

/** Address of the page of a stack, { owner, project, stack }. */
export const stackPage = (names) => `stack.html?${new URLSearchParams(names)}`;

/** Address of the list of stacks, with parameters such as the owner. */
export const stacksPage = (parameters) => `stacks.html?${new URLSearchParams(parameters)}`;

async function request(path, options) {
  const answer = await fetch(path, options).catch(() => {
    throw new ServiceError("The service does not answer.");
  });
  if (answer.ok) return answer.json();
  throw new ServiceError((await answer.text()) || `The service answered ${answer.status}.`);
}

/** The parsed answer; ServiceError with the service's own words when it refuses. */
export const getJson = (path) => request(path);

/** Send a value as JSON; otherwise as `getJson`. */
export const putJson = (path, value) =>
  request(path, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

/** Tiles that could not be drawn, by the headers of a picture: how many, and { tileId, reason, box } of the first. */
export function missingTiles(headers) {
  const total = Number(headers.get("x-missing-tile-count") ?? 0);
  return { total, tiles: total ? JSON.parse(headers.get("x-missing-tiles")) : [] };
}

/** The element of the page that has an id. */
export const element = (id) => document.getElementById(id);

/** A new element: attributes by name, children as elements or text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number as people read it: 12,345. */
export const count = (number) => whole.format(number);

/** "1 tile", "2 tiles". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
