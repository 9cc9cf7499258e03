// One slice of the picture on a plain canvas: it needs no WebGL.

const FILL = 0.94; // Share of a view that its slice fills.
const DIMMED = 0.22; // Share of light that is left to what is not the chosen part.
const GAP = 7; // Pixels around the crosshair's middle that stay free.
const MOST_ZOOM = 40;

class SlicePane {
  constructor(axis, scan, picture, store) {
    this.axis = axis;
    [this.rowAxis, this.columnAxis] = [0, 1, 2].filter((other) => other !== axis);
    this.scan = scan;
    this.picture = picture;
    this.store = store;
    this.rows = picture.shape[this.rowAxis];
    this.columns = picture.shape[this.columnAxis];
    this.element = byId(`pane-${axis}`);
    this.canvas = this.element.querySelector(".stage canvas");
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.slice = new OffscreenSurface(this.columns, this.rows);
    this.zoom = 1;
    this.shift = { x: 0, y: 0 };
    this.bands = [];
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /** Fit the slice again. */
  fit() {
    this.zoom = 1;
    this.shift = { x: 0, y: 0 };
    this.draw();
  }

  /** Where the slice lies, in device pixels: its corner and the size of a voxel. */
  frame() {
    const { width, height } = this.canvas;
    const [high, wide] = [this.scan.spacing[this.rowAxis], this.scan.spacing[this.columnAxis]];
    const scale = this.zoom * FILL * Math.min(width / (this.columns * wide), height / (this.rows * high));
    const [w, h] = [wide * scale, high * scale];
    const ratio = this.ratio();
    return {
      w,
      h,
      x: (width - this.columns * w) / 2 + this.shift.x * ratio,
      y: (height - this.rows * h) / 2 + this.shift.y * ratio,
    };
  }

  ratio() {
    return Math.min(window.devicePixelRatio || 1, 3);
  }

  resize() {
    const ratio = this.ratio();
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  /** Colours of every byte, for what is shown and for what is dimmed. */
  setColours(pixels, dimmed) {
    this.pixels = pixels;
    this.dimmed = dimmed;
  }

  draw() {
    if (!this.pixels || !this.canvas.clientWidth) return;
    this.resize();
    this.fill();
    const { context, canvas } = this;
    const { x, y, w, h } = this.frame();
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = w < 1 || h < 1;
    context.drawImage(this.slice.canvas, x, y, this.columns * w, this.rows * h);
    context.strokeStyle = "#ffffff24";
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, this.columns * w + 1, this.rows * h + 1);
    this.drawBands();
    this.drawCrosshair();
  }

  fill() {
    const { codes, labels, strides } = this.picture;
    const { cursor, only } = this.store.state;
    const out = this.slice.pixels;
    const start = cursor[this.axis] * strides[this.axis];
    const [down, right] = [strides[this.rowAxis], strides[this.columnAxis]];
    let target = 0;
    for (let row = 0; row < this.rows; row++) {
      let at = start + row * down;
      if (only === null || !labels) {
        for (let column = 0; column < this.columns; column++, at += right) out[target++] = this.pixels[codes[at]];
      } else {
        for (let column = 0; column < this.columns; column++, at += right) {
          out[target++] = (labels[at] === only + 1 ? this.pixels : this.dimmed)[codes[at]];
        }
      }
    }
    this.slice.update();
  }

  /** Layers of the model at the left edge of a view that runs through all sections. */
  drawBands() {
    if (this.rowAxis !== 0 || !this.bands.length) return;
    const { context } = this;
    const { x, y, h } = this.frame();
    const ratio = this.ratio();
    context.font = `${10 * ratio}px system-ui, sans-serif`;
    context.textAlign = "right";
    context.textBaseline = "middle";
    let free = -Infinity;
    for (const { name, start, stop, colour } of this.bands) {
      const [top, bottom] = [y + start * h, y + stop * h];
      context.fillStyle = colour;
      context.fillRect(x - 5 * ratio, top + 0.5, 3 * ratio, Math.max(1, bottom - top - 1));
      const middle = (top + bottom) / 2;
      if (middle - free < 11 * ratio || x < 30 * ratio) continue;
      context.fillStyle = "#a9b4c4";
      context.fillText(name, x - 9 * ratio, middle);
      free = middle;
    }
  }

  drawCrosshair() {
    const { context, canvas } = this;
    const { x, y, w, h } = this.frame();
    const { cursor } = this.store.state;
    const ratio = this.ratio();
    const column = x + (cursor[this.columnAxis] + 0.5) * w;
    const row = y + (cursor[this.rowAxis] + 0.5) * h;
    const gap = Math.max(GAP * ratio, 0.75 * Math.max(w, h));
    context.lineWidth = ratio;
    context.globalAlpha = 0.85;
    const line = (axis, from, to) => {
      context.strokeStyle = AXIS_COLOURS[axis];
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    };
    // A line has the colour of the axis whose slice it is: the row is the slice across the row axis.
    line(this.rowAxis, [0, row], [column - gap, row]);
    line(this.rowAxis, [column + gap, row], [canvas.width, row]);
    line(this.columnAxis, [column, 0], [column, row - gap]);
    line(this.columnAxis, [column, row + gap], [column, canvas.height]);
    context.globalAlpha = 1;
    if (Math.min(w, h) > 6 * ratio) {
      context.strokeStyle = "#ffffffc0";
      context.strokeRect(column - w / 2, row - h / 2, w, h);
    }
  }

  /** The voxel under a pointer, kept inside the picture. */
  voxelAt(event) {
    const place = placeIn(this.canvas, event);
    const ratio = this.ratio();
    const { x, y, w, h } = this.frame();
    const at = [...this.store.state.cursor];
    at[this.columnAxis] = clamp(Math.floor((place.x * ratio - x) / w), 0, this.columns - 1);
    at[this.rowAxis] = clamp(Math.floor((place.y * ratio - y) / h), 0, this.rows - 1);
    return at;
  }

  /** Zoom by a factor around a place in CSS pixels of the window. */
  zoomAt(factor, clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const next = clamp(this.zoom * factor, 1, MOST_ZOOM);
    const real = next / this.zoom;
    const [fromX, fromY] = [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
    this.shift.x = fromX + (this.shift.x - fromX) * real;
    this.shift.y = fromY + (this.shift.y - fromY) * real;
    this.zoom = next;
    if (next === 1) this.shift = { x: 0, y: 0 };
    this.draw();
  }

  move(dx, dy) {
    this.shift.x += dx;
    this.shift.y += dy;
    this.draw();
  }

  step(axis, steps) {
    const at = [...this.store.state.cursor];
    at[axis] = clamp(at[axis] + steps, 0, this.picture.shape[axis] - 1);
    this.store.set({ cursor: at });
  }

  /** Mouse, touch and keys; `windowing` takes over what changes the window. */
  connect(windowing) {
    listen(this.canvas, {
      start: (kind, event) => {
        if (windowing.takes(kind)) windowing.start(this.canvas);
        // A finger may be the first of two: it has to move or leave before it counts.
        else if (kind === "left" && event.pointerType !== "touch") this.store.set({ cursor: this.voxelAt(event) });
      },
      tap: (event) => {
        if (!this.store.state.dragging) this.store.set({ cursor: this.voxelAt(event) });
      },
      drag: (kind, event, dx, dy) => {
        if (windowing.takes(kind)) windowing.drag(dx, dy, event.shiftKey);
        else if (kind === "left") this.store.set({ cursor: this.voxelAt(event) });
        else if (kind === "middle") this.move(dx, dy);
      },
      end: () => windowing.end(),
      pinch: (ratio, x, y) => this.zoomAt(ratio, x, y),
      wheel: (steps, event) => {
        if (event.ctrlKey || event.metaKey) this.zoomAt(1.2 ** -steps, event.clientX, event.clientY);
        else this.step(this.axis, steps);
      },
    });
    this.canvas.addEventListener("dblclick", () => this.fit());
    this.canvas.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const steps = {
        ArrowLeft: [this.columnAxis, -far],
        ArrowRight: [this.columnAxis, far],
        ArrowUp: [this.rowAxis, -far],
        ArrowDown: [this.rowAxis, far],
        PageUp: [this.axis, -far],
        PageDown: [this.axis, far],
        Home: [this.axis, -Infinity],
        End: [this.axis, Infinity],
      }[event.key];
      if (steps) this.step(...steps);
      else if (event.key === "+" || event.key === "-") {
        const box = this.canvas.getBoundingClientRect();
        const factor = event.key === "+" ? 1.25 : 0.8;
        this.zoomAt(factor, box.left + box.width / 2, box.top + box.height / 2);
      } else return;
      event.preventDefault();
    });
  }
}

/** A canvas that is not on the page, written as numbers, one per pixel. */
class OffscreenSurface {
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
  }

  update() {
    this.context.putImageData(this.image, 0, 0);
  }
}

// On black, so the same in both themes.
const AXIS_COLOURS = ["#ff8a70", "#63d297", "#6fb7ff"];
