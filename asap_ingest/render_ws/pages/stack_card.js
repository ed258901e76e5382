// A stack in the list: its picture with a slider for the section, its state, facts and links.

import { stackFacts } from "./stack_facts.js";
import { getJson, make, missingTiles, plural, stackPage, stackPath } from "./service.js";

const SVG = "http://www.w3.org/2000/svg";

// tiles that the picture lacks are hatched on it, and listed with the reason below it
async function showMissing(picture, article) {
  const [details, hatched] = [article.querySelector("details"), article.querySelector("figure svg")];
  const { src } = picture;
  // from the cache of the browser: the picture is not drawn again
  const { headers } = await fetch(src, { cache: "force-cache" });
  if (picture.src !== src) return;
  const { total, tiles } = missingTiles(headers);
  details.hidden = total === 0;
  details.querySelector("summary").textContent = `${plural(total, "tile")} missing`;
  const lines = tiles.map(({ tileId, reason }) => `${tileId}: ${reason}`);
  if (tiles.length < total) lines.push(`and ${total - tiles.length} more`);
  details.querySelector("ul").replaceChildren(...lines.map((text) => make("li", {}, text)));
  hatched.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  hatched.replaceChildren(...tiles.map(({ box: [left, top, right, bottom] }) => {
    const rectangle = document.createElementNS(SVG, "rect");
    const sides = { x: left, y: top, width: right - left, height: bottom - top, fill: "url(#hatching)" };
    for (const [name, value] of Object.entries(sides)) rectangle.setAttribute(name, value);
    return rectangle;
  }));
}

// in place of a picture that cannot be drawn: the reason
async function showProblem(picture, note) {
  picture.classList.add("missing");
  try {
    const answer = await fetch(picture.src);
    note.textContent = answer.ok ? "No picture" : `No picture: ${await answer.text()}`;
  } catch {
    note.textContent = "No picture: the service does not answer";
  }
}

function figure(article, { picture, outlines, problem = "No tiles", zRange }) {
  if (!picture) return make("figure", {}, make("span", {}, problem));
  const note = make("span", {}, outlines ? "Outlines of tiles: pictures come with mipmaps" : "");
  const image = make("img", { loading: "lazy", alt: `section at z ${zRange[0]}` });
  const hatched = document.createElementNS(SVG, "svg");
  hatched.setAttribute("aria-hidden", "true");
  image.addEventListener("load", () => showMissing(image, article).catch(() => {}));
  image.addEventListener("error", () => showProblem(image, note));
  image.src = picture.replace("{z}", zRange[0]);
  return make("figure", {}, image, hatched, note);
}

function slider(article, { picture, sectionCount, stack, zRange }) {
  if (!picture || sectionCount < 2) return [];
  const range = make("input", { type: "range", min: 0, max: sectionCount - 1, value: 0 });
  const output = make("output", {}, `z ${zRange[0]}`);
  // thousands of z are requested only for a stack whose slider is moved
  let request;
  const chosen = async () => {
    request ??= getJson(`${stackPath(stack.stackId)}/zValues`);
    const zValues = await request;
    range.max = zValues.length - 1;
    return zValues[Number(range.value)];
  };
  range.addEventListener("input", async () => { output.textContent = `z ${await chosen()}`; });
  range.addEventListener("change", async () => {
    const image = article.querySelector("img");
    const source = picture.replace("{z}", encodeURIComponent(await chosen()));
    image.classList.remove("missing");
    article.querySelector("figure span").textContent = "";
    article.querySelector("figure svg").replaceChildren();
    image.src = source;
  });
  return [make("label", { class: "sections" }, "section", range, output)];
}

/** The element of a stack, from its overview. */
export function stackCard(overview) {
  const { stack } = overview;
  const path = stackPath(stack.stackId);
  const title = make("div", { class: "title" },
    make("h3", {}, make("a", { href: stackPage(stack.stackId) }, stack.stackId.stack)),
    make("span", { class: `state ${stack.state}` }, stack.state));
  const missing = make("details", { class: "missing", hidden: "" }, make("summary"), make("ul"));
  const links = make("div", { class: "links" }, make("a", { href: path }, "metadata"),
    make("a", { href: `${path}/zValues` }, "z values"));
  const article = make("article");
  article.append(figure(article, overview), ...slider(article, overview),
    make("div", { class: "text" }, title, missing, make("dl", {}, ...stackFacts(overview)), links));
  return article;
}
