// The page of all operations, by subject, from the OpenAPI description.

import { element, getJson, make, plural } from "./service.js";

const anchor = (subject) => subject.toLowerCase().replaceAll(" ", "-");

/** Statuses of the answers, of success or of errors. */
function statuses(responses, isSuccess) {
  return Object.keys(responses).filter((status) => (status < "400") === isSuccess).join(", ");
}

/** [name, text] of each fact about an operation; what it does not have is left out. */
function facts({ parameters, requestBody, responses }) {
  const query = parameters.filter((entry) => entry.in === "query");
  return [
    ["Query", query.map(({ name, schema }) => `${name} (${schema.type})`).join(", ")],
    ["Body", Object.keys(requestBody?.content ?? {}).join(", ")],
    ["Answer", Object.keys(responses[200]?.content ?? {}).join(", ")],
    ["Success", statuses(responses, true)],
    ["Errors", statuses(responses, false)],
  ].filter(([, text]) => text);
}

function row({ method, path, operation }) {
  const summary = make("summary", {}, make("b", { class: method }, method), " ", make("code", {}, path),
    make("span", {}, operation.summary));
  const list = facts(operation).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);
  return make("details", {}, summary, make("dl", {}, ...list));
}

async function start() {
  const { paths } = await getJson("../openapi.json");
  const operations = Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })));
  const subjects = [...new Set(operations.map(({ operation }) => operation.tags[0]))].sort();
  element("status").textContent = plural(operations.length, "operation");
  element("subjects").append(
    ...subjects.map((subject) => make("a", { href: `#${anchor(subject)}` }, subject)),
  );
  element("operations").append(...subjects.map((subject) => {
    const rows = operations.filter(({ operation }) => operation.tags[0] === subject).map(row);
    return make("section", { id: anchor(subject) }, make("h2", {}, subject), ...rows);
  }));
  // the address may name a subject, which was not there when the page was loaded
  element(location.hash.slice(1))?.scrollIntoView();
}

start().catch((error) => { element("status").textContent = `${error.message} The operations`; });
