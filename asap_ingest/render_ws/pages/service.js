// What pages ask of the service, and how they put answers on the page: as text, never as markup.

export const V1 = "/render-ws/v1";

export class ServiceError extends Error {}

/** Path of a stack; names may hold any character. */
export function stackPath({ owner, project, stack }) {
  const part = encodeURIComponent;
  return `${V1}/owner/${part(owner)}/project/${part(project)}/stack/${part(stack)}`;
}

/** Address of the page of a stack. */
export function stackPage(names) {
  const { owner, project, stack } = names;
  return `stack.html?${new URLSearchParams({ owner, project, stack })}`;
}

async function ask(path, options) {
  const answer = await fetch(path, options).catch((error) => {
    throw error.name === "AbortError" ? error : new ServiceError("The service does not answer.");
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw new ServiceError((await answer.text()) || `The service answered ${answer.status}.`);
}

/** The parsed answer; ServiceError with the service's own words when it refuses. */
export const getJson = (path, signal) => ask(path, { signal });

/** The same for a question with a body. */
export const putJson = (path, value, signal) =>
  ask(path, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(value), signal });

/** An element: attributes by name, children as elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A number as people read it: 12,345. */
export const count = (number) => whole.format(number);

/** "1 tile", "2 tiles". */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
