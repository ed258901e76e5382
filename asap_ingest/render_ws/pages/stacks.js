"use strict";

const SVG = "http://www.w3.org/2000/svg";
const plural = (number) => `${number} tile${number === 1 ? "" : "s"} missing`;

// tiles that the picture lacks: hatched on it, and listed with the reason below it
async function showMissing(picture) {
  const article = picture.closest("article");
  const [details, hatched] = [article.querySelector("details"), picture.parentElement.querySelector("svg")];
  const { src } = picture;
  // the browser has the answer: it is not drawn again
  const { headers } = await fetch(src, { cache: "force-cache" });
  if (picture.src !== src) return;
  const total = Number(headers.get("x-missing-tile-count") ?? 0);
  const tiles = JSON.parse(headers.get("x-missing-tiles") ?? "[]");
  details.hidden = total === 0;
  details.querySelector("summary").textContent = plural(total);
  const lines = tiles.map(({ tileId, reason }) => `${tileId}: ${reason}`);
  if (tiles.length < total) lines.push(`and ${total - tiles.length} more`);
  details.querySelector("ul").replaceChildren(...lines.map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  }));
  hatched.setAttribute("viewBox", `0 0 ${picture.naturalWidth} ${picture.naturalHeight}`);
  hatched.replaceChildren(...tiles.map(({ box: [left, top, right, bottom] }) => {
    const rectangle = document.createElementNS(SVG, "rect");
    const sides = { x: left, y: top, width: right - left, height: bottom - top, fill: "url(#hatching)" };
    for (const [name, value] of Object.entries(sides)) rectangle.setAttribute(name, value);
    return rectangle;
  }));
}

// a picture that cannot be drawn gives way to the reason
function showProblem(picture) {
  picture.classList.add("missing");
  const note = picture.parentElement.querySelector("span");
  fetch(picture.src)
    .then((answer) => (answer.ok ? "" : answer.text()))
    .then((text) => { note.textContent = text ? `No picture: ${text}` : "No picture"; })
    .catch(() => { note.textContent = "No picture: the service does not answer"; });
}

const arrived = (picture) => showMissing(picture).catch(() => {});
document.addEventListener("error", (event) => event.target.tagName === "IMG" && showProblem(event.target), true);
document.addEventListener("load", (event) => event.target.tagName === "IMG" && arrived(event.target), true);
for (const picture of document.querySelectorAll("figure img")) {
  if (picture.complete) (picture.naturalWidth ? arrived : showProblem)(picture);
}

document.querySelectorAll(".sections").forEach((bar) => {
  const slider = bar.querySelector("input");
  const picture = bar.parentElement.querySelector("img");
  // thousands of z are asked for only where somebody moves the slider
  let asked;
  const chosen = async () => {
    asked ??= fetch(bar.dataset.z).then((answer) => answer.json());
    const zValues = await asked;
    slider.max = zValues.length - 1;
    return zValues[Number(slider.value)];
  };
  slider.addEventListener("input", async () => { bar.querySelector("output").textContent = `z ${await chosen()}`; });
  slider.addEventListener("change", async () => {
    const source = picture.dataset.source.replace("{z}", encodeURIComponent(await chosen()));
    picture.classList.remove("missing");
    picture.parentElement.querySelector("span").textContent = "";
    picture.parentElement.querySelector("svg").replaceChildren();
    picture.src = source;
  });
});
