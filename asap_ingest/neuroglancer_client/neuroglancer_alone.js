"use strict";

// The client of the neuroglancer package listens to a Python viewer. Here is none: what it shows is what
// the address says, and this stands in for the viewer's silence.
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    queueMicrotask(() => this.onopen?.(new Event("open")));
  }

  close() {}
};

// without a state in the address it would ask the viewer for one
if (!location.hash) history.replaceState(null, "", "#!{}");
