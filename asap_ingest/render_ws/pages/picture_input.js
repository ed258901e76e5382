// Mouse, touch and keys that move a viewport.

const STEP = 0.2;
const ZOOM = 1.5;

const KEYS = {
  ArrowLeft: (view) => view.pan(-STEP * view.width, 0),
  ArrowRight: (view) => view.pan(STEP * view.width, 0),
  ArrowUp: (view) => view.pan(0, -STEP * view.height),
  ArrowDown: (view) => view.pan(0, STEP * view.height),
  "+": (view) => view.zoomBy(ZOOM),
  "=": (view) => view.zoomBy(ZOOM),
  "-": (view) => view.zoomBy(1 / ZOOM),
  _: (view) => view.zoomBy(1 / ZOOM),
};

/** The function of a viewport that a key stands for; undefined for other keys. */
export const viewKey = (key) => KEYS[key];

/** Move a viewport by dragging, pinching, the wheel and double clicks; `moved()` is called after each. */
export function listenToPointers(canvas, view, moved) {
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, size: Math.hypot(a.x - b.x, a.y - b.y) || 1 };
  };
  const pointOf = (event) => ({ x: event.offsetX, y: event.offsetY });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, pointOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = pointOf(event);
    const old = fingers.size === 2 && spread();
    fingers.set(event.pointerId, now);
    if (old) {
      const pinch = spread();
      view.pan(old.x - pinch.x, old.y - pinch.y);
      view.zoomBy(pinch.size / old.size, pinch.x, pinch.y);
    } else if (fingers.size === 1) view.pan(before.x - now.x, before.y - now.y);
    moved();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    // browsers give pixels, lines or pages: about the same for one step of a wheel
    const amount = event.deltaY * [1, 30, 300][event.deltaMode];
    view.zoomBy(2 ** (-amount / 300), event.offsetX, event.offsetY);
    moved();
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => {
    view.zoomBy(2, event.offsetX, event.offsetY);
    moved();
  });
}
