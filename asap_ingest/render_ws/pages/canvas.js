// A canvas with as many pixels as the screen has, drawn again at most once per frame.

/** Calls `draw(context, width, height)`, sizes in CSS pixels; returns a function that asks for a drawing. */
export function keepDrawn(canvas, draw, resized = () => {}) {
  const context = canvas.getContext("2d");
  let asked = 0;
  const now = () => {
    asked = 0;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = canvas;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, clientWidth, clientHeight);
    draw(context, clientWidth, clientHeight);
  };
  const ask = () => {
    asked ||= requestAnimationFrame(now);
  };
  new ResizeObserver(() => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    resized(canvas.clientWidth, canvas.clientHeight);
    ask();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", ask);
  return ask;
}

/** A colour of the style sheet. */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
