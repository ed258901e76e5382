// A canvas with as many pixels as the screen has, drawn at most once per frame.

/**
 * Keep a canvas drawn by `draw(context)`, in CSS pixels, also when its size or the colours change.
 *
 * `resized(width, height)` is called before the first drawing in a new size. Returns a function that
 * schedules a drawing.
 */
export function keepDrawn(canvas, draw, resized) {
  const context = canvas.getContext("2d");
  let scheduled = 0;
  const drawNow = () => {
    scheduled = 0;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    draw(context);
  };
  const redraw = () => {
    scheduled ||= requestAnimationFrame(drawNow);
  };
  new ResizeObserver(() => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    resized(canvas.clientWidth, canvas.clientHeight);
    redraw();
  }).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  return redraw;
}

/** A colour of the style sheet. */
export const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
