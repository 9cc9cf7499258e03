// The volume in 3-D: niivue holds the texture, the camera and the box; shader.js the rays.

const COLOURMAP = "gray"; // The map that niivue gives a new volume; the page puts its own colours in.
const MODES = { volume: "volume", projection: "projection", depth: "faded", planes: "slices" };
const MODE_WORDS = {
  volume: "light through the volume",
  projection: "strongest voxel of every ray",
  depth: "strongest voxel of every ray, fading with depth",
  planes: "the three slices in place",
};
const MODE_NUMBERS = { volume: 0, projection: 1, depth: 1, planes: 2 };
const FADE = 0.75; // Share of its light that a voxel at the far end loses in the faded projection.
const BASE_ZOOM = 0.82; // niivue's own scale cuts the corners of a box off.
const LONGEST = 200; // Millimetres of the longest side; niivue thinks in them.
const QUICK_MS = 40; // A slower picture is drawn coarser while something moves.
const COARSEST = 0.3;
const SETTLE_MS = 160; // Quiet time after which the picture is drawn in full.
const TURN_DEGREES = 24; // Per second, when it turns by itself.

class VolumePane {
  constructor(scan, picture, store) {
    this.scan = scan;
    this.picture = picture;
    this.store = store;
    this.holder = byId("gl").parentElement;
    this.canvas = byId("gl");
    this.over = byId("gl-over");
    this.notice = byId("gl-notice");
    this.ready = false;
    this.shownOnly = null;
    this.pixel = new Uint8Array(4);
    this.quality = 1;
    this.cost = 0;
    const longest = Math.max(...picture.shape.map((n, i) => n * scan.spacing[i]));
    this.spacing = scan.spacing.map((s) => (s * LONGEST) / longest);
  }

  /** Start niivue with its source; false, and a message, where the browser cannot. */
  async start(source) {
    // The attributes that niivue asks for: it gets the same context.
    const gl = this.canvas.getContext("webgl2", { alpha: true, antialias: false });
    if (!gl) return this.refuse("The volume needs WebGL2, which this browser or graphics card does not offer. The slices work without it.");
    this.texture = new Texture(this.picture, gl.getParameter(gl.MAX_3D_TEXTURE_SIZE));
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      const { Niivue } = await import(address);
      await this.attach(Niivue);
      this.setOnly(this.store.state.only);
    } catch (error) {
      console.warn(error);
      return this.refuse(`The volume could not be drawn: ${error.message}. The slices work.`);
    } finally {
      URL.revokeObjectURL(address);
    }
    this.canvas.addEventListener("webglcontextlost", () => {
      this.ready = false;
      this.refuse("The graphics card was taken away from this page. Load it again for the volume.");
    });
    this.notice.textContent = "";
    this.ready = true;
    return true;
  }

  refuse(text) {
    this.notice.textContent = text;
    for (const id of ["mode", "cut", "rotate"]) byId(id).disabled = true;
    return false;
  }

  async attach(Niivue) {
    // niivue draws while it starts: on one pixel that costs nothing.
    this.canvas.width = this.canvas.height = 1;
    const nv = new Niivue({
      logLevel: "silent",
      loadingText: "",
      backColor: [0, 0, 0, 1],
      show3Dcrosshair: true,
      crosshairColor: [1, 0.82, 0.4, 1],
      crosshairWidth: 0.3,
      crosshairWidthUnit: "percent",
      isResizeCanvas: false,
      forceDevicePixelRatio: -1,
      interactive: false,
      dragAndDropEnabled: false,
      isOrientationTextVisible: false,
      sliceType: 4,
    });
    this.nv = nv;
    await nv.attachToCanvas(this.canvas, false);
    nv.addColormap(COLOURMAP, this.colourmap(this.table));
    await nv.loadFromArrayBuffer(this.texture.file(this.spacing), "scan.nii");
    const [volume] = nv.volumes;
    // The middle of every byte's step falls on the middle of its colour.
    volume.cal_min = -0.5;
    volume.cal_max = 255.5;
    this.volume = volume;
    this.makeShader();
    nv.refreshLayers(volume, 0);
  }

  makeShader() {
    const { nv } = this;
    const { gl } = nv;
    const Shader = nv.renderShader.constructor;
    const shader = new Shader(gl, RAY_VERTEX, RAY_FRAGMENT);
    nv.initRenderShader(shader, 0);
    nv.renderShader = shader;
    this.shader = shader;
    this.places = {};
    for (const name of ["boxLow", "boxHigh", "cursor", "millimetresLow", "millimetresSize", "density", "fade", "mode"]) {
      this.places[name] = gl.getUniformLocation(shader.program, name);
    }
  }

  colourmap(table) {
    const column = (i) => Array.from({ length: 256 }, (_, code) => table[code * 4 + i]);
    return { R: column(0), G: column(1), B: column(2), A: column(3), I: Array.from({ length: 256 }, (_, i) => i) };
  }

  /** New colours of the bytes; the texture follows. */
  setColours(table) {
    this.table = table;
    if (!this.ready) return;
    this.nv.addColormap(COLOURMAP, this.colourmap(table));
    this.nv.refreshLayers(this.volume, 0);
    this.drawSoon();
  }

  /** Show one part, or everything again. */
  setOnly(only) {
    if (!this.volume || (only === null && this.shownOnly === null)) return;
    this.shownOnly = only;
    this.texture.fill(this.volume.img, only);
    this.nv.refreshLayers(this.volume, 0);
    this.drawSoon();
  }

  /** Place of a voxel's middle in the texture (0…1 along niivue's x, y, z). */
  fraction(at) {
    const [sections, rows, columns] = this.texture.covered;
    return [(at[2] + 0.5) / columns, 1 - (at[1] + 0.5) / rows, 1 - (at[0] + 0.5) / sections];
  }

  /** The voxel at a place in the texture. */
  voxel([x, y, z]) {
    const [sections, rows, columns] = this.texture.covered;
    return [(1 - z) * sections, (1 - y) * rows, x * columns]
      .map((value, axis) => clamp(Math.floor(value), 0, this.picture.shape[axis] - 1));
  }

  /** The box that is drawn, in places of the texture: what the cut leaves. */
  box() {
    const { cut, cursor } = this.store.state;
    const [low, high] = [[0, 0, 0], [1, 1, 1]];
    if (cut !== null) {
      const axis = 2 - cut;
      const [size, at] = [this.texture.covered[cut], cursor[cut]];
      // What lies before the slice goes; the slice itself stays and is the face that is seen.
      if (axis === 0) low[0] = at / size;
      else high[axis] = 1 - at / size;
    }
    return [low, high];
  }

  resize(share) {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [this.holder.clientWidth, this.holder.clientHeight];
    const size = [width, height].map((n) => Math.max(1, Math.round(n * ratio * share)));
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const over = [width, height].map((n) => Math.max(1, Math.round(n * ratio)));
    if (this.over.width !== over[0] || this.over.height !== over[1]) [this.over.width, this.over.height] = over;
    this.ratio = ratio;
  }

  /** Draw once in the next frame, coarser if that takes long, and in full when nothing moves. */
  drawSoon() {
    if (!this.ready || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw(this.quality);
      clearTimeout(this.settle);
      this.settle = setTimeout(() => {
        if (this.quality < 1 && !this.store.state.rotate) this.draw(1);
      }, SETTLE_MS);
    });
  }

  draw(share = 1) {
    if (!this.ready || !this.holder.clientWidth) return;
    const began = performance.now();
    this.resize(share);
    const { nv } = this;
    const { azimuth, elevation, zoom, shift, mode, opacity, cursor } = this.store.state;
    nv.scene.renderAzimuth = azimuth;
    nv.scene.renderElevation = elevation;
    nv.scene.volScaleMultiplier = zoom * BASE_ZOOM;
    nv.position = this.inMillimetres(shift, zoom);
    const fraction = this.fraction(cursor);
    nv.scene.crosshairPos = fraction;
    const { gl } = nv;
    const [low, high] = this.box();
    const { extentsMin, extentsMax } = nv.volumeObject3D;
    this.shader.use(gl);
    gl.uniform3fv(this.places.boxLow, low);
    gl.uniform3fv(this.places.boxHigh, high);
    gl.uniform3fv(this.places.cursor, fraction);
    gl.uniform3fv(this.places.millimetresLow, [...extentsMin]);
    gl.uniform3fv(this.places.millimetresSize, extentsMax.map((n, i) => n - extentsMin[i]));
    gl.uniform1f(this.places.density, densityOf(opacity));
    gl.uniform1f(this.places.fade, mode === "depth" ? FADE : 0);
    gl.uniform1i(this.places.mode, MODE_NUMBERS[mode]);
    nv.drawScene();
    // Only who reads a pixel waits until the picture is there, and knows what it cost.
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, this.pixel);
    this.adapt(performance.now() - began, share);
    this.drawOver();
  }

  adapt(milliseconds, share) {
    const full = milliseconds / (share * share);
    this.cost = this.cost ? 0.5 * this.cost + 0.5 * full : full;
    this.quality = clamp(Math.sqrt(QUICK_MS / this.cost), COARSEST, 1);
    if (this.quality > 0.8) this.quality = 1;
  }

  /** Half of the view's height, in millimetres. */
  reach(zoom) {
    const { extentsMin, extentsMax } = this.nv.volumeObject3D;
    const half = 0.5 * Math.hypot(...extentsMax.map((n, i) => n - extentsMin[i]));
    const { width, height } = this.canvas;
    return (0.8 * half) / (zoom * BASE_ZOOM) / Math.min(1, width / height);
  }

  inMillimetres(shift, zoom) {
    const reach = this.reach(zoom);
    return [-shift[0] * reach, -shift[1] * reach, 0];
  }

  /** niivue's matrix from millimetres to the view, column-major. */
  matrix() {
    const { azimuth, elevation } = this.store.state;
    return this.nv.calculateMvpMatrix(null, [0, 0, this.over.width, this.over.height], azimuth, elevation)[0];
  }

  /** Pixel of the overlay, and depth, of a place in the texture. */
  project(place, matrix = this.matrix()) {
    const { extentsMin, extentsMax } = this.nv.volumeObject3D;
    const at = place.map((p, i) => extentsMin[i] + p * (extentsMax[i] - extentsMin[i]));
    const clip = [0, 1, 2].map((row) => matrix[row] * at[0] + matrix[4 + row] * at[1] + matrix[8 + row] * at[2] + matrix[12 + row]);
    return [(0.5 + clip[0] / 2) * this.over.width, (0.5 - clip[1] / 2) * this.over.height, clip[2]];
  }

  /** The outline of the box and the names of its axes. */
  drawOver() {
    const context = this.over.getContext("2d");
    const { ratio } = this;
    context.clearRect(0, 0, this.over.width, this.over.height);
    const matrix = this.matrix();
    const corner = (bits) => this.project([bits & 1, (bits >> 1) & 1, (bits >> 2) & 1], matrix);
    const corners = Array.from({ length: 8 }, (_, bits) => corner(bits));
    // The corner nearest to the eye and the one farthest off lie inside the outline.
    const depths = corners.map(([, , depth]) => depth);
    const nearest = depths.indexOf(Math.min(...depths));
    const middle = this.project([0.5, 0.5, 0.5], matrix);
    context.lineWidth = ratio;
    context.font = `${11 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const named = new Map();
    for (let bits = 0; bits < 8; bits++) {
      for (let axis = 0; axis < 3; axis++) {
        const other = bits ^ (1 << axis);
        if (other < bits) continue;
        const outer = bits !== nearest && other !== nearest && bits !== (7 ^ nearest) && other !== (7 ^ nearest);
        if (!outer) continue;
        const [from, to] = [corners[bits], corners[other]];
        context.strokeStyle = "#ffffff38";
        context.beginPath();
        context.moveTo(from[0], from[1]);
        context.lineTo(to[0], to[1]);
        context.stroke();
        const place = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
        // Of the two outer edges along an axis, the lower one is named: it is farther from the head.
        const best = named.get(axis);
        if (!best || place[1] > best.place[1]) named.set(axis, { place, from, to });
      }
    }
    for (const [axis, edge] of named) this.nameEdge(context, 2 - axis, edge, middle);
  }

  nameEdge(context, axis, { place, from, to }, middle) {
    const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
    if (length < 60 * this.ratio) return;
    const away = [place[0] - middle[0], place[1] - middle[1]];
    const size = Math.hypot(...away) || 1;
    const at = place.map((p, i) => p + (away[i] / size) * 12 * this.ratio);
    const { name } = this.scan.axes[axis];
    const wide = context.measureText(name).width;
    const shift = Math.abs(away[0]) < 0.35 * size ? 0.5 : away[0] < 0 ? 1 : 0;
    const margin = 4 * this.ratio;
    const left = clamp(at[0] - shift * wide, margin, this.over.width - wide - margin);
    context.textAlign = "left";
    context.fillStyle = AXIS_COLOURS[axis];
    context.fillText(name, left, clamp(at[1], 2 * margin, this.over.height - 2 * margin));
  }

  /** The voxel that is seen under a pointer; null where there is none. */
  pick(event) {
    if (!this.ready) return null;
    const place = placeIn(this.over, event);
    const matrix = this.matrix();
    const origin = this.project([0, 0, 0], matrix);
    const columns = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].map((unit) => {
      const end = this.project(unit, matrix);
      return end.map((value, i) => value - origin[i]);
    });
    const wanted = [place.x * this.ratio - origin[0], place.y * this.ratio - origin[1]];
    const near = solve(columns, [...wanted, -1 - origin[2]]);
    const far = solve(columns, [...wanted, 1 - origin[2]]);
    return seenOnRay(this, near, far);
  }

  turn(dx, dy) {
    const { azimuth, elevation } = this.store.state;
    this.store.set({
      azimuth: (((azimuth - dx * 0.5) % 360) + 360) % 360,
      elevation: clamp(elevation + dy * 0.5, -90, 90),
    });
  }

  zoomBy(factor) {
    this.store.set({ zoom: clamp(this.store.state.zoom * factor, 0.3, 12) });
  }

  move(dx, dy) {
    const { shift } = this.store.state;
    const half = this.over.clientHeight / 2;
    this.store.set({ shift: [shift[0] + dx / half, shift[1] - dy / half] });
  }

  connect(windowing) {
    listen(this.over, {
      start: (kind) => {
        if (windowing.takes(kind)) windowing.start(this.over);
      },
      drag: (kind, event, dx, dy) => {
        if (windowing.takes(kind)) windowing.drag(dx, dy, event.shiftKey);
        else if (kind === "left") this.turn(dx, dy);
        else if (kind === "middle") this.move(dx, dy);
      },
      end: () => windowing.end(),
      tap: (event) => {
        const voxel = this.pick(event);
        if (voxel) this.store.set({ cursor: voxel });
      },
      pinch: (ratio) => this.zoomBy(ratio),
      wheel: (steps) => this.zoomBy(1.12 ** -steps),
    });
    this.over.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 30 : 8;
      const turns = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] }[event.key];
      if (turns) this.turn(...turns);
      else if (event.key === "+" || event.key === "-") this.zoomBy(event.key === "+" ? 1.2 : 1 / 1.2);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.drawSoon()).observe(this.holder);
    let last = 0;
    const spin = (now) => {
      if (!this.store.state.rotate) return;
      // A page in the background gets no frames; it must not jump when it comes back.
      const seconds = Math.min((now - last) / 1000, 0.2);
      last = now;
      this.store.set({ azimuth: (this.store.state.azimuth + TURN_DEGREES * seconds) % 360 });
      requestAnimationFrame(spin);
    };
    this.store.on("rotate", ({ rotate }) => {
      if (rotate) {
        last = performance.now();
        requestAnimationFrame(spin);
      } else this.drawSoon();
    });
  }
}
