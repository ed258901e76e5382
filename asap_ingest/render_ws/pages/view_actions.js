// What a person does with a view as a whole: copy its address, download its picture, show it on the full screen.

/** Copy the address of the page, and say so; where the browser forbids it, say what to do. */
export async function copyAddress(status) {
  try {
    await navigator.clipboard.writeText(location.href);
    status.textContent = "Link copied";
  } catch {
    status.textContent = "Copy the address of this page: it holds the view";
  }
}

/** Download a canvas as a PNG file. */
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
export function toggleFullScreen(target) {
  if (document.fullscreenElement) document.exitFullscreen();
  else target.requestFullscreen?.();
}
