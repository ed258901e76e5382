"use strict";

// a picture that cannot be drawn gives way to the reason
document.addEventListener("error", (event) => {
  if (event.target.tagName !== "IMG") return;
  event.target.classList.add("missing");
  const note = event.target.nextElementSibling;
  fetch(event.target.src)
    .then((answer) => (answer.ok ? "" : answer.text()))
    .then((text) => { note.textContent = text ? `No picture: ${text}` : "No picture"; })
    .catch(() => { note.textContent = "No picture: the service does not answer"; });
}, true);

document.querySelectorAll(".sections").forEach((bar) => {
  const zValues = JSON.parse(bar.dataset.z);
  const slider = bar.querySelector("input");
  const picture = bar.parentElement.querySelector("img");
  const chosen = () => zValues[Number(slider.value)];
  slider.addEventListener("input", () => { bar.querySelector("output").textContent = `z ${chosen()}`; });
  slider.addEventListener("change", () => {
    picture.classList.remove("missing");
    picture.nextElementSibling.textContent = "";
    picture.src = picture.dataset.source.replace("{z}", encodeURIComponent(chosen()));
  });
});
