// Transfer functions, parts, model card: lists made from the data.

const STRIP = [176, 32]; // Pixels of a transfer function's picture, twice its size on the page.
const MOST_ROWS = 400; // Parts that are listed at once: more is what the search is for.

/** The function's colours from left to right, and its opacity as a line: the higher the denser. */
function drawStrip(canvas, transfer, invert) {
  [canvas.width, canvas.height] = STRIP;
  const context = canvas.getContext("2d");
  const [width, height] = STRIP;
  context.drawImage(colourStrip(width, (place) => transfer.at(place, invert)), 0, 0, width, height);
  context.strokeStyle = "#ffffffe0";
  context.lineWidth = 2.5;
  context.beginPath();
  for (let x = 0; x <= width; x += 4) {
    const [, , , alpha] = transfer.at(x / width, invert);
    context.lineTo(x, 1.5 + (1 - alpha / 255) * (height - 3));
  }
  context.stroke();
}

function makeTransfers(transfers, store) {
  const holder = byId("transfers");
  const strips = [];
  for (const transfer of transfers.values()) {
    const label = document.createElement("label");
    label.title = `${transfer.group}${transfer.safe ? " · safe for colour-blind people" : ""}`;
    const input = document.createElement("input");
    input.type = "radio";
    input.name = "transfer";
    input.value = transfer.name;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    const text = document.createElement("span");
    text.textContent = transfer.name;
    label.append(input, canvas, text);
    holder.append(label);
    input.addEventListener("change", () => store.set({ transfer: transfer.name }));
    strips.push({ input, canvas, transfer });
  }
  store.on("transfer invert", ({ transfer, invert }) => {
    for (const strip of strips) {
      strip.input.checked = strip.transfer.name === transfer;
      drawStrip(strip.canvas, strip.transfer, invert);
    }
  });
}

/** The searchable list of parts; a click goes there. */
class PartList {
  constructor(parts, tensors, go) {
    this.parts = parts;
    this.go = go;
    this.holder = byId("part-list");
    this.found = byId("found");
    this.buttons = new Map();
    this.words = parts.names.map((name, i) =>
      [name, parts.titles[i], parts.roles[i], parts.groups[i], tensors.names[parts.tensors[i]]]
        .join(" ").toLowerCase().replaceAll("_", " "));
    this.field = byId("search");
    this.field.addEventListener("input", () => this.fill());
    this.field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.holder.querySelector("button:not(:disabled)")?.click();
      else if (event.key === "ArrowDown") this.holder.querySelector("button:not(:disabled)")?.focus();
      else return;
      event.preventDefault();
    });
    this.holder.addEventListener("keydown", (event) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!by) return;
      const all = [...this.holder.querySelectorAll("button:not(:disabled)")];
      const next = all[all.indexOf(document.activeElement) + by];
      (next ?? this.field).focus();
      event.preventDefault();
    });
    this.fill();
  }

  heading(i) {
    const layer = this.parts.layers[i];
    return layer === null ? "Outside the layers" : `Layer ${layer}`;
  }

  fill() {
    const wanted = this.field.value.toLowerCase().replaceAll("_", " ").split(/\s+/).filter(Boolean);
    const hits = [];
    this.words.forEach((words, i) => {
      if (wanted.every((word) => words.includes(word))) hits.push(i);
    });
    // What the picture shows comes first; in a stable order, so that layers stay together.
    const shown = hits.filter((i) => this.parts.at[i]);
    const hidden = hits.filter((i) => !this.parts.at[i]);
    this.buttons.clear();
    const rows = [];
    let heading = null;
    for (const i of shown.slice(0, MOST_ROWS)) {
      if (this.heading(i) !== heading) {
        heading = this.heading(i);
        rows.push(titled("h3", heading));
      }
      rows.push(this.row(i));
    }
    if (hidden.length && shown.length < MOST_ROWS) {
      rows.push(titled("h3", "Not in this picture"));
      rows.push(...hidden.slice(0, MOST_ROWS - shown.length).map((i) => this.row(i)));
    }
    this.holder.replaceChildren(...rows);
    const more = shown.length > MOST_ROWS ? `, the first ${MOST_ROWS} are listed` : "";
    this.found.textContent = `${shown.length} ${shown.length === 1 ? "part" : "parts"}${more}`;
    this.mark(this.current);
  }

  row(i) {
    const button = document.createElement("button");
    button.type = "button";
    const chip = document.createElement("i");
    chip.style.background = this.parts.colours[i];
    const text = titled("span", this.parts.titles[i]);
    const shape = this.parts.shapes[i].join(" × ");
    button.append(chip, text, titled("small", shape));
    button.title = this.parts.names[i];
    button.disabled = !this.parts.at[i];
    button.addEventListener("click", () => this.go(i));
    this.buttons.set(i, button);
    return button;
  }

  /** Mark the part at the crosshair, and bring it into sight unless somebody is in the list. */
  mark(part) {
    this.buttons.get(this.current)?.removeAttribute("aria-current");
    this.current = part;
    const button = this.buttons.get(part);
    if (!button) return;
    button.setAttribute("aria-current", "true");
    if (this.holder.contains(document.activeElement) || this.holder.matches(":hover")) return;
    const [box, own] = [this.holder.getBoundingClientRect(), button.getBoundingClientRect()];
    if (own.top < box.top || own.bottom > box.bottom) {
      this.holder.scrollTop += own.top - box.top - box.height / 2;
    }
  }
}

function titled(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function fillCard(rows) {
  byId("card-rows").replaceChildren(...rows.flatMap(([name, value]) => {
    const dd = titled("dd", value);
    if (name === "Fingerprint") dd.className = "code";
    return [titled("dt", name), dd];
  }));
}

/** Layers of the model along the sections, for the edge of the coronal and sagittal views. */
function bandsOf(picture, parts) {
  const bands = [];
  const [sections, rows, columns] = picture.shape;
  for (let section = 0; section < sections; section++) {
    const inside = picture.part([section, rows >> 1, columns >> 1]);
    const part = inside >= 0 ? inside : picture.part([section, 0, 0]);
    // Vectors without a place of their own share the last sections: those belong to no layer.
    const layer = part >= 0 && parts.shapes[part].length === 2 ? parts.layers[part] : null;
    const name = layer === null ? "" : `L${layer}`;
    const last = bands.at(-1);
    if (last && last.name === name) last.stop = section + 1;
    else bands.push({ name, start: section, stop: section + 1 });
  }
  const layers = bands.filter((band) => band.name);
  layers.forEach((band, i) => {
    band.colour = i % 2 ? "#8b95a8" : "#566074";
  });
  return layers;
}

let toastTimer = 0;

/** Say something for a moment. */
function toast(text) {
  const element = byId("toast");
  element.textContent = text;
  element.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => element.classList.remove("shown"), 2600);
}
