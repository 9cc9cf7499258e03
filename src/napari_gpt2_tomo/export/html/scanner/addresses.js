// From a voxel to the parameters that it shows: the same arithmetic as the layouts in Python.

/** Flat index of the element at `inner` of a view (offset, digits of each axis, major first). */
function flatIndex([offset, axes], inner) {
  let flat = offset;
  axes.forEach((digits, axis) => {
    let position = inner[axis];
    for (let i = digits.length - 1; i >= 0; i--) {
      const [n, stride] = digits[i];
      flat += (position % n) * stride;
      position = Math.floor(position / n);
    }
  });
  return flat;
}

/** Position in a view of a flat index; null if the view does not hold it. */
function viewIndex([offset, axes], flat) {
  let rest = flat - offset;
  if (rest < 0) return null;
  const order = [];
  axes.forEach((digits, axis) => {
    digits.forEach(([n, stride], place) => {
      if (n > 1) order.push({ n, stride, axis, place });
    });
  });
  order.sort((a, b) => b.stride - a.stride || b.axis - a.axis || b.place - a.place);
  const found = axes.map((digits) => digits.map(() => 0));
  for (const { n, stride, axis, place } of order) {
    const digit = Math.floor(rest / stride);
    if (digit >= n) return null;
    rest -= digit * stride;
    found[axis][place] = digit;
  }
  if (rest) return null;
  return axes.map((digits, axis) => digits.reduce((at, [n], place) => at * n + found[axis][place], 0));
}

function unravel(flat, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/** Position of a cell on the Hilbert curve of Skilling's construction. */
function hilbertIndex(cell, order) {
  let [x, y, z] = cell;
  const exchange = (a, b, bit) => {
    const low = (1 << bit) - 1;
    const invert = -((b >> bit) & 1) & low;
    const swap = (a ^ b) & (low ^ invert);
    return [a ^ invert ^ swap, b ^ swap];
  };
  for (let bit = order - 1; bit > 0; bit--) {
    x ^= -((x >> bit) & 1) & ((1 << bit) - 1);
    [x, y] = exchange(x, y, bit);
    [x, z] = exchange(x, z, bit);
  }
  y ^= x;
  z ^= y;
  let gray = 0;
  for (let bit = order - 1; bit > 0; bit--) gray ^= -((z >> bit) & 1) & ((1 << bit) - 1);
  [x, y, z] = [x ^ gray, y ^ gray, z ^ gray];
  let index = 0;
  for (let bit = order - 1; bit >= 0; bit--) {
    index = index * 8 + ((((x >> bit) & 1) << 2) | (((y >> bit) & 1) << 1) | ((z >> bit) & 1));
  }
  return index;
}

/** Names the parameters of voxels. */
class Addresses {
  constructor(scan, tables) {
    this.axes = scan.axes;
    this.merged = scan.merged;
    this.tensors = tables.tensors;
    this.parts = tables.parts;
    this.captions = tables.captions ?? null;
    this.blocks = tables.blocks ?? null;
    this.cube = tables.cube ?? null;
    if (this.blocks) {
      this.blocks.shapes = this.blocks.views.map(([, axes]) =>
        axes.map((digits) => product(digits.map(([n]) => n))));
    }
  }

  /** Half-open interval of level-0 voxels per axis of the volume. */
  box(at) {
    const leading = unravel(at[0], this.merged.map((axis) => axis.count));
    return [
      ...this.merged.map(({ factor }, i) => [leading[i] * factor, (leading[i] + 1) * factor]),
      ...[1, 2].map((i) => [at[i] * this.axes[i].factor, (at[i] + 1) * this.axes[i].factor]),
    ];
  }

  /**
   * What a voxel of a part shows.
   * @returns {{title, tensor, range, words, count, others}} null in air
   */
  describe(at, part) {
    if (part < 0) return null;
    const found = this.cube ? this.inCube(at, part) : this.inBlocks(at, part);
    if (!found) return null;
    const { tensor, first, last, count, others } = found;
    const name = this.tensors.names[tensor];
    const shape = this.tensors.shapes[tensor];
    return {
      title: this.parts.titles[part],
      tensor: name,
      range: name + rangeText(first, last, count, shape),
      words: this.words(part, first, last, count),
      count,
      others,
    };
  }

  inBlocks(at, part) {
    const box = this.box(at);
    const { starts, shapes, views, tensors, parts } = this.blocks;
    let hit = null;
    let others = 0;
    for (let block = 0; block < starts.length; block++) {
      const start = starts[block];
      const inside = box.map(([a, b], axis) => [
        Math.max(a - start[axis], 0),
        Math.min(b - start[axis], shapes[block][axis]),
      ]);
      if (inside.some(([a, b]) => a >= b)) continue;
      const fits = hit === null && (parts[block] === part || tensors[block] === this.parts.tensors[part]);
      if (!fits) {
        others++;
        continue;
      }
      hit = {
        tensor: tensors[block],
        first: flatIndex(views[block], inside.map(([a]) => a)),
        last: flatIndex(views[block], inside.map(([, b]) => b - 1)),
        count: product(inside.map(([a, b]) => b - a)),
      };
    }
    return hit && { ...hit, others };
  }

  inCube(at, part) {
    const level = Math.log2(this.axes[0].factor);
    const size = 8 ** level;
    const start = hilbertIndex(at, this.cube.order - level) * size;
    const { starts, tensors } = this.cube;
    const stop = Math.min(start + size, starts[starts.length - 1]);
    const tensor = this.parts.tensors[part];
    const own = tensors.indexOf(tensor);
    const from = Math.max(start, starts[own]);
    const to = Math.min(stop, starts[own + 1]);
    if (from >= to) return null;
    let others = 0;
    for (let i = 0; i < tensors.length; i++) {
      if (i !== own && starts[i] < stop && starts[i + 1] > start) others++;
    }
    return { tensor, first: from - starts[own], last: to - 1 - starts[own], count: to - from, others };
  }

  /** Head, neuron, token, channel … of parameters that lie in one box of a part. */
  words(part, first, last, count) {
    const a = viewIndex(this.parts.views[part], first);
    const b = viewIndex(this.parts.views[part], last);
    if (!a || !b || product(a.map((v, i) => b[i] - v + 1)) !== count) return "";
    const found = [];
    const axes = this.parts.axes[part];
    const unit = axes.indexOf("unit");
    const kind = this.parts.units[part];
    if (unit >= 0) {
      const size = this.parts.heads[part];
      if (kind === "head" && size) found.push(headWords(a[unit], b[unit], size));
      else found.push(`${kind} ${span(a[unit], b[unit] + 1)}`);
    }
    axes.forEach((axis, i) => {
      if (axis !== "unit") found.push(`${axis} ${span(a[i], b[i] + 1)}`);
    });
    return found.join(" · ");
  }

  /** What the slice across an axis shows, for the head of its view. */
  caption(axis, at, part) {
    const { factor, name } = this.axes[axis];
    if (axis > 0) {
      const words = `${name} ${span(at[axis] * factor, (at[axis] + 1) * factor)}`;
      return axis === 2 ? [words, this.unitWords(at, part)].filter(Boolean).join(" · ") : words;
    }
    const box = this.box(at);
    const words = this.merged.map((own, i) => `${own.name} ${span(...box[i])}`).join(" · ");
    const captions = [];
    for (let i = box[0][0]; i < box[0][1]; i++) {
      if (this.captions?.[i]) captions.push(this.captions[i]);
    }
    if (captions.length > 1) captions.splice(0, Infinity, `${captions[0]} … ${captions.at(-1)}`);
    return [words, ...captions].join(" · ");
  }

  unitWords(at, part) {
    if (part < 0 || !this.parts.heads[part]) return "";
    const words = this.describe(at, part)?.words.split(" · ").find((word) => word.startsWith("head"));
    return words ? `${this.parts.titles[part]} ${words.replace(/ dims?.*/, "")}` : "";
  }
}

function headWords(first, last, size) {
  const a = Math.floor(first / size);
  const b = Math.floor(last / size);
  if (a !== b) return `heads ${a}–${b}`;
  const dims = span(first % size, (last % size) + 1);
  return `head ${a} ${first === last ? "dim" : "dims"} ${dims}`;
}

/** Index of a run or box of elements, in numpy's notation where it is a box. */
function rangeText(first, last, count, shape) {
  if (!shape.length) return "";
  const a = unravel(first, shape);
  const b = unravel(last, shape);
  if (count === 1) return `[${a.join(", ")}]`;
  const sides = a.map((v, i) => b[i] - v + 1);
  if (sides.every((n) => n > 0) && product(sides) === count) {
    return `[${a.map((v, i) => (sides[i] > 1 ? `${v}:${b[i] + 1}` : v)).join(", ")}]`;
  }
  return `[${a.join(", ")}] … [${b.join(", ")}]`;
}
