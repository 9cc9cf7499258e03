// The four views as one PNG, with what they show written beside them.

const MARGIN = 14;
const HEAD = 52;
const BAR = 46;

/** A canvas with every visible view, its caption, the colour bar and the name of the scan. */
function composePicture({ scan, panes, volume, store, transfer, captions, probe }) {
  volume.draw(1);
  const shown = [...panes.map((pane) => pane.canvas), volume.over].filter((canvas) => canvas.clientWidth > 0);
  const box = byId("grid").getBoundingClientRect();
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round((box.width + 2 * MARGIN) * ratio);
  canvas.height = Math.round((box.height + HEAD + BAR + MARGIN) * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = "#0c0f14";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.textBaseline = "top";
  const write = (text, x, y, font, colour, room) => {
    context.font = font;
    context.fillStyle = colour;
    let short = text;
    while (room && short.length > 1 && context.measureText(short).width > room) short = `${short.slice(0, -2)}…`;
    context.fillText(short, x, y);
  };
  write(scan.name, MARGIN, 10, "600 16px system-ui, sans-serif", "#dfe5ee", box.width);
  write([scan.subtitle, probe].filter(Boolean).join(" · "), MARGIN, 31, "12px system-ui, sans-serif", "#97a3b4", box.width);

  for (const view of shown) {
    const place = view.getBoundingClientRect();
    const [x, y] = [place.x - box.x + MARGIN, place.y - box.y + HEAD];
    if (view === volume.over && volume.ready) context.drawImage(volume.canvas, x, y, place.width, place.height);
    else {
      context.fillStyle = "#000";
      context.fillRect(x, y, place.width, place.height);
    }
    context.drawImage(view, x, y, place.width, place.height);
    const number = view === volume.over ? 3 : panes.findIndex((pane) => pane.canvas === view);
    write(captions[number], x + 2, y - 20, "12px system-ui, sans-serif", "#b9c3d2", place.width - 4);
  }

  const top = box.height + HEAD + 10;
  const { low, high, invert } = store.state;
  const width = Math.min(box.width, 420);
  context.drawImage(colourStrip(Math.round(width), (place) => transfer.at(place, invert)), MARGIN, top, width, 12);
  const words = "12px system-ui, sans-serif";
  write(asText(low), MARGIN, top + 16, words, "#97a3b4");
  context.textAlign = "right";
  write(asText(high), MARGIN + width, top + 16, words, "#97a3b4");
  context.textAlign = "center";
  write(scan.signalWords, MARGIN + width / 2, top + 16, words, "#97a3b4", width - 120);
  return canvas;
}

async function savePicture(parts) {
  const canvas = composePicture(parts);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const address = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.download = `${parts.scan.name.replace(/[^\w.-]+/g, "_")}.png`;
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
