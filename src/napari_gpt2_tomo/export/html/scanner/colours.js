// From bytes to colours: the window and the transfer function as one table of 256 entries.

const NOT_FINITE_COLOUR = [0, 255, 255];
const LITTLE_ENDIAN = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/** A transfer function: 256 rows of red, green, blue and opacity. */
class Transfer {
  constructor({ name, group, signed, safe, table }) {
    this.name = name;
    this.group = group;
    this.signed = signed;
    this.safe = safe;
    this.table = Uint8Array.from(atob(table), (letter) => letter.charCodeAt(0));
  }

  /** Red, green, blue, opacity (0…255) at a position (0…1) of the window. */
  at(position, invert = false) {
    const place = Math.round(clamp(position, 0, 1) * 255);
    const colour = (invert ? 255 - place : place) * 4;
    const t = this.table;
    return [t[colour], t[colour + 1], t[colour + 2], t[place * 4 + 3]];
  }
}

/** Colour and opacity of every byte, 256 rows of four. */
function colourTable(picture, transfer, low, high, invert) {
  const table = new Uint8ClampedArray(1024);
  for (let code = 0; code < 256; code++) {
    const value = picture.values[code];
    if (code === picture.notFinite) table.set([...NOT_FINITE_COLOUR, 255], code * 4);
    else if (Number.isFinite(value)) {
      table.set(transfer.at((value - low) / (high - low), invert), code * 4);
    }
  }
  return table;
}

/** The table as one number per byte for pixels, opaque; `share` of its light for what is not chosen. */
function pixelTable(table, air, share = 1) {
  const pixels = new Uint32Array(256);
  for (let code = 0; code < 256; code++) {
    const [r, g, b] = [0, 1, 2].map((i) => Math.round(table[code * 4 + i] * share));
    const [red, green, blue] = code === air ? [0, 0, 0] : [r, g, b];
    pixels[code] = LITTLE_ENDIAN
      ? ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0
      : ((red << 24) | (green << 16) | (blue << 8) | 255) >>> 0;
  }
  return pixels;
}

/** A picture one pixel high whose colours, [red, green, blue], depend on the place (0…1). */
function colourStrip(width, colourAt) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, 1];
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, 1);
  for (let x = 0; x < width; x++) {
    const [r, g, b] = colourAt((x + 0.5) / width);
    image.data.set([r, g, b, 255], 4 * x);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A colour of the style sheet. */
function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
