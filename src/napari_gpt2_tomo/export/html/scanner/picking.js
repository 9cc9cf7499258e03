// What is seen at a point of the 3-D view: the ray of shader.js, followed in the data.

/** The voxel that decides the pixel of a ray between two places of the texture; null if none. */
function seenOnRay(pane, near, far) {
  const { picture, store, table } = pane;
  const { mode, only, opacity, cursor } = store.state;
  const [low, high] = pane.box();
  const along = far.map((v, i) => v - near[i]);
  let [start, stop] = [0, 1];
  for (let i = 0; i < 3; i++) {
    const ends = [(low[i] - near[i]) / along[i], (high[i] - near[i]) / along[i]];
    start = Math.max(start, Math.min(...ends));
    stop = Math.min(stop, Math.max(...ends));
  }
  if (!(start < stop)) return null;
  const at = (t) => pane.voxel(near.map((v, i) => v + along[i] * t));
  if (mode === "planes") {
    const middle = pane.fraction(cursor);
    const hits = middle.map((m, i) => (m - near[i]) / along[i]).filter((t) => t >= start && t <= stop);
    return hits.length ? at(Math.min(...hits)) : null;
  }
  const [sections, rows, columns] = pane.texture.covered;
  const steps = Math.ceil(Math.hypot(along[0] * columns, along[1] * rows, along[2] * sections) * (stop - start));
  const density = densityOf(opacity);
  let [found, strongest, light] = [null, 0, 1];
  for (let i = 0; i < steps; i++) {
    const voxel = at(start + ((i + 0.5) / steps) * (stop - start));
    const index = picture.index(voxel);
    if (only !== null && picture.labels[index] !== only + 1) continue;
    const alpha = table[picture.codes[index] * 4 + 3] / 255;
    // What decides a pixel: the strongest voxel, or the one that adds most of the light.
    let share = alpha;
    if (mode === "depth") share *= 1 - (FADE * i) / steps;
    if (mode === "volume") {
      share = light * (1 - (1 - Math.min(alpha, 0.999)) ** density);
      light -= share;
    }
    if (share > strongest) [found, strongest] = [voxel, share];
  }
  return found;
}

/** Factor on the optical density of the transfer function, for the slider's 0…1. */
function densityOf(opacity) {
  return 0.002 * 1000 ** opacity;
}

/** Solve a · x = b for three columns of a. */
function solve([a, b, c], d) {
  const det = (p, q, r) =>
    p[0] * (q[1] * r[2] - q[2] * r[1]) - q[0] * (p[1] * r[2] - p[2] * r[1]) + r[0] * (p[1] * q[2] - p[2] * q[1]);
  const whole = det(a, b, c);
  return [det(d, b, c) / whole, det(a, d, c) / whole, det(a, b, d) / whole];
}
