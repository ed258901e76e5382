// What a person does with a view as a whole: copy its address, keep its picture, see it alone on the screen.

export const element = (id) => document.getElementById(id);

/** Copy the address of the page, and say so; where the browser forbids it, say what to do. */
export async function copyAddress(told) {
  try {
    await navigator.clipboard.writeText(location.href);
    told.textContent = "Link copied";
  } catch {
    told.textContent = "Copy the address of this page: it holds the view";
  }
}

/** Keep a canvas as a PNG file. */
export function download(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

/** Show an element alone, or the page again. */
export function toggleFullScreen(shown) {
  if (document.fullscreenElement) document.exitFullscreen();
  else shown.requestFullscreen?.();
}
