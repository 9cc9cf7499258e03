// The window: by dragging in a view, by presets, by numbers, and drawn over the histogram.

const NARROWEST = 1e-9; // Share of the data's range that a window is wide at least.
const FINE = 0.1; // Share of the usual gain while Shift is held.

/** Right-drag, two fingers, or the left button after the switch: x is the width, y the centre. */
class Windowing {
  constructor(store, gain) {
    this.store = store;
    this.gain = gain;
    this.active = false;
    this.label = document.createElement("output");
    this.label.className = "reading";
  }

  takes(kind) {
    return kind === "right" || kind === "two" || (kind === "left" && this.store.state.dragging);
  }

  start(element) {
    this.active = true;
    this.size = Math.max(60, Math.min(element.clientWidth, element.clientHeight));
    element.parentElement.append(this.label);
    this.tell();
  }

  drag(dx, dy, fine) {
    if (!this.active) return;
    const { low, high } = this.store.state;
    const gain = (this.gain() / this.size) * (fine ? FINE : 1);
    const width = Math.max(high - low + dx * gain, 0.9 * (high - low), this.gain() * NARROWEST);
    const centre = (low + high) / 2 - dy * gain;
    this.store.set({ low: centre - width / 2, high: centre + width / 2 });
    this.tell();
  }

  tell() {
    const { low, high } = this.store.state;
    this.label.textContent = `C ${asText((low + high) / 2)}  W ${asText(high - low)}`;
  }

  end() {
    this.active = false;
    this.label.remove();
  }
}

/** Histogram with the window on it, and the colours of the window below. */
class HistogramPanel {
  constructor(scan, picture, store, transferOf) {
    this.scan = scan;
    this.picture = picture;
    this.store = store;
    this.transferOf = transferOf;
    this.canvas = byId("histogram");
    this.counts = picture.counts();
    this.robust = [picture.quantile(this.counts, 0.001), picture.quantile(this.counts, 0.999)];
    if (!(this.robust[0] < this.robust[1])) this.robust = [this.robust[0] - 1, this.robust[1] + 1];
    this.domain = [0, 1];
    this.held = null;
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    this.connect();
  }

  /** What the data spread over, without the outermost; what a drag's gain follows. */
  spread() {
    return this.robust[1] - this.robust[0];
  }

  /** The values from left to right: the data without outliers, and the window in any case. */
  choose() {
    if (this.held) return;
    const { low, high } = this.store.state;
    let [from, to] = [Math.min(this.robust[0], low), Math.max(this.robust[1], high)];
    const margin = 0.06 * (to - from);
    from -= this.scan.signed || from < 0 ? margin : 0;
    this.domain = [from, to + margin];
  }

  x(value) {
    const [from, to] = this.domain;
    return ((value - from) / (to - from)) * this.canvas.width;
  }

  value(x) {
    const [from, to] = this.domain;
    return from + ((x * this.ratio) / this.canvas.width) * (to - from);
  }

  draw() {
    const { canvas } = this;
    if (!canvas.clientWidth) return;
    this.choose();
    this.ratio = Math.min(window.devicePixelRatio || 1, 3);
    canvas.width = Math.round(canvas.clientWidth * this.ratio);
    canvas.height = Math.round(canvas.clientHeight * this.ratio);
    const context = canvas.getContext("2d");
    const unit = this.ratio;
    const [axis, bar] = [16 * unit, 14 * unit];
    const bottom = canvas.height - axis - bar - 3 * unit;
    this.drawCounts(context, bottom);
    this.drawWindow(context, bottom);
    this.drawBar(context, bottom + 3 * unit, bar);
    this.drawTicks(context, canvas.height - axis + 2 * unit);
  }

  drawCounts(context, bottom) {
    const columns = Math.floor(this.canvas.width / (2 * this.ratio));
    const bins = new Float64Array(columns);
    const [from, to] = this.domain;
    const { values, errors } = this.picture;
    for (let code = 0; code < 256; code++) {
      if (!this.counts[code] || !Number.isFinite(values[code])) continue;
      // A byte stands for a range of values: its voxels are spread over it.
      const a = ((values[code] - errors[code] - from) / (to - from)) * columns;
      const b = Math.max(((values[code] + errors[code] - from) / (to - from)) * columns, a + 1e-6);
      for (let i = Math.max(0, Math.floor(a)); i < Math.min(columns, Math.ceil(b)); i++) {
        bins[i] += (this.counts[code] * (Math.min(b, i + 1) - Math.max(a, i))) / (b - a);
      }
    }
    const most = Math.log1p(Math.max(...bins, 1));
    context.fillStyle = themeColour("soft");
    context.globalAlpha = 0.75;
    const width = this.canvas.width / columns;
    bins.forEach((count, i) => {
      const height = (Math.log1p(count) / most) * (bottom - 4 * this.ratio);
      context.fillRect(i * width, bottom - height, Math.ceil(width), height);
    });
    context.globalAlpha = 1;
  }

  drawWindow(context, bottom) {
    const { low, high } = this.store.state;
    const [a, b] = [this.x(low), this.x(high)];
    context.fillStyle = themeColour("accent");
    context.globalAlpha = 0.16;
    context.fillRect(a, 0, b - a, bottom);
    context.globalAlpha = 1;
    context.fillRect(a - this.ratio, 0, 2 * this.ratio, bottom);
    context.fillRect(b - this.ratio, 0, 2 * this.ratio, bottom);
    // The ramp from the first to the last colour.
    context.strokeStyle = themeColour("accent");
    context.lineWidth = this.ratio;
    context.setLineDash([3 * this.ratio, 3 * this.ratio]);
    context.beginPath();
    context.moveTo(a, bottom);
    context.lineTo(b, 2 * this.ratio);
    context.stroke();
    context.setLineDash([]);
  }

  drawBar(context, top, height) {
    const { low, high, invert } = this.store.state;
    const transfer = this.transferOf();
    const [from, to] = this.domain;
    const { width } = this.canvas;
    const strip = colourStrip(width, (place) => {
      const value = from + place * (to - from);
      return transfer.at((value - low) / (high - low), invert);
    });
    context.drawImage(strip, 0, top, width, height);
  }

  drawTicks(context, top) {
    const [from, to] = this.domain;
    const { width } = this.canvas;
    const rough = (to - from) / 4;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    context.fillStyle = themeColour("soft");
    context.font = `${10.5 * this.ratio}px system-ui, sans-serif`;
    context.textBaseline = "top";
    for (let i = Math.ceil(from / step); i * step <= to; i++) {
      const x = this.x(i * step);
      context.textAlign = x < 14 * this.ratio ? "left" : x > width - 18 * this.ratio ? "right" : "center";
      context.fillText(asText(Number((i * step).toPrecision(6))), clamp(x, 0, width), top);
    }
  }

  /** Drag an edge, or the window as a whole. */
  connect() {
    listen(this.canvas, {
      start: (kind, event) => {
        const { low, high } = this.store.state;
        const at = this.value(placeIn(this.canvas, event).x);
        const near = (8 / this.canvas.clientWidth) * (this.domain[1] - this.domain[0]);
        const [toLow, toHigh] = [Math.abs(at - low), Math.abs(at - high)];
        let what = "both";
        if (Math.min(toLow, toHigh) < near) what = toLow < toHigh ? "low" : "high";
        else if (at < low) what = "low";
        else if (at > high) what = "high";
        this.held = { what, at, low, high };
      },
      drag: (kind, event) => {
        if (!this.held) return;
        const by = this.value(placeIn(this.canvas, event).x) - this.held.at;
        let { low, high } = this.held;
        if (this.held.what !== "high") low += by;
        if (this.held.what !== "low") high += by;
        const least = this.spread() * 1e-6;
        if (high - low < least) {
          if (this.held.what === "low") low = high - least;
          else high = low + least;
        }
        this.store.set({ low, high });
      },
      end: () => {
        this.held = null;
        this.draw();
      },
    });
  }
}

/** Units of centre and width, as in the presets: the signal itself, σ, and CT numbers. */
class Units {
  constructor(scan) {
    const { mean, sigma } = scan.scale;
    const spread = sigma || 1;
    this.all = {
      [scan.unit]: { from: (v) => v, to: (v) => v, length: 1 },
      σ: { from: (v) => mean + v * spread, to: (v) => (v - mean) / spread, length: spread },
      HU: { from: (v) => mean + (v * spread) / 500, to: (v) => (500 * (v - mean)) / spread, length: spread / 500 },
    };
  }

  get(name) {
    return this.all[name];
  }

  get names() {
    return Object.keys(this.all);
  }
}

function connectWindowFields(store, units, histogram) {
  const [centre, width, unit] = ["centre", "width", "unit"].map(byId);
  for (const name of units.names) unit.append(new Option(name, name));
  const show = () => {
    const { low, high } = store.state;
    const { to, length } = units.get(unit.value);
    if (document.activeElement !== centre) centre.value = Number(to((low + high) / 2).toPrecision(5));
    if (document.activeElement !== width) width.value = Number(((high - low) / length).toPrecision(5));
  };
  const take = () => {
    const { from, length } = units.get(unit.value);
    const middle = from(Number(centre.value));
    const wide = Number(width.value) * length;
    const valid = centre.value !== "" && Number.isFinite(middle) && wide > 0;
    width.setCustomValidity(valid ? "" : "A window needs a width above 0.");
    if (!valid) {
      width.reportValidity();
      return;
    }
    store.set({ low: middle - wide / 2, high: middle + wide / 2 });
  };
  for (const field of [centre, width]) {
    field.addEventListener("change", () => {
      take();
      field.blur();
      show();
    });
    field.addEventListener("blur", show);
  }
  unit.addEventListener("change", show);
  store.on("low high", () => {
    show();
    histogram.draw();
  });
}

/** The presets as buttons under their headings; `windowOf` gives the limits of one. */
function makePresets(presets, choose) {
  const holder = byId("presets");
  let group = null;
  return presets.map((preset, number) => {
    if (preset.group !== group) {
      group = preset.group;
      const heading = document.createElement("h3");
      heading.textContent = group;
      holder.append(heading);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = preset.title;
    button.title = number < 9 ? `${preset.about} (${number + 1})` : preset.about;
    button.dataset.key = preset.key;
    button.addEventListener("click", () => choose(preset));
    holder.append(button);
    return button;
  });
}
