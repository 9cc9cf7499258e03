// The lesson's page: where the reader is, copying code, and attention for any head and any tokens.

const byId = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];

// Numbers, in the same letters as `fixed` and `percent` of markup.py write them.

function fixed(value, decimals = 3) {
  let text = value.toFixed(decimals);
  if (Number(text) === 0) text = text.replace("-", "");
  return text.replace("-", "−");
}

function percent(share) {
  const value = 100 * share;
  if (value <= 0) return "0 %";
  if (value < 0.0001) return "< 0.0001 %";
  return `${value.toFixed(value >= 10 ? 1 : value >= 1 ? 2 : value >= 0.01 ? 3 : 4)} %`;
}

/** Numbers of the heads that the page holds, as `Heads` of heads.py. */
class Heads {
  constructor(told, numbers) {
    Object.assign(this, told);
    let start = 0;
    for (const [name, shape] of Object.entries(told.shapes)) {
      const size = shape.reduce((product, side) => product * side, 1);
      this[name] = numbers.subarray(start, start + size);
      start += size;
    }
    this.count = told.labels.length;
    this.size = told.shapes.q[3];
  }

  /** A row of a four-dimensional array. */
  row(name, a, b, c) {
    const [, second, third, fourth] = this.shapes[name];
    const start = ((a * second + b) * third + c) * fourth;
    return this[name].subarray(start, start + fourth);
  }

  /** Every text that depends on the choice, by slot: `read_slots` of heads.py. */
  read({ at, head, query, key }) {
    const { labels, count, size } = this;
    const rule = this.rules[at];
    const source = Math.floor(head / this.shared);
    const q = this.row("q", at, head, query);
    const k = this.row("k", at, source, key);
    const z = this.row("z", at, head, query);
    const pattern = this.row("pattern", at, head, query);
    const scores = this.row("scores", at, head, query);
    const value = (j, d) => this.row("v", at, source, j)[d];
    const found = {
      layer: String(this.layers[at]),
      head: String(head),
      kv: String(source),
      query: labels[query],
      key: labels[key],
      "query-at": String(this.first + query),
      "key-at": String(this.first + key),
      share: percent(pattern[key]),
    };
    if (this.adds) found.adds = fixed(this.adds[(at * this.shapes.adds[1] + head) * count + query]);

    const products = Array.from(q, (x, d) => x * k[d]);
    const order = products.map((_, d) => d).sort((a, b) => Math.abs(products[b]) - Math.abs(products[a]) || a - b);
    order.slice(0, this.terms).forEach((dim, row) => {
      found[`dim:${row}`] = String(dim);
      found[`q:${row}`] = fixed(q[dim]);
      found[`k:${row}`] = fixed(k[dim]);
      found[`qk:${row}`] = fixed(products[dim]);
    });
    const sum = (values) => values.reduce((total, one) => total + one, 0);
    found["qk:rest"] = fixed(sum(order.slice(this.terms).map((dim) => products[dim])));
    const total = sum(products);
    found["qk:sum"] = fixed(total);
    found.scaled = fixed(rule.scale * total);
    if (rule.slopes) {
      const place = rule.absolute ? this.first + key : key - query;
      found.slope = fixed(rule.slopes[head], 4);
      found.steps = fixed(place, 0);
      found.bias = fixed(rule.slopes[head] * place);
    }
    found.score = scores[key] > this.masked ? fixed(scores[key]) : "masked";

    const visible = Array.from(scores, (score) => (score > this.masked ? score : -Infinity));
    const top = Math.max(...visible);
    const powers = visible.map((score) => Math.exp(score - top));
    const ranked = visible
      .map((_, j) => j)
      .sort((a, b) => pattern[b] - pattern[a] || a - b)
      .slice(0, this.keys);
    const everything = sum(powers) / Math.max(sum(Array.from(pattern)), 1e-12);
    const chosen = [];
    for (let row = 0; row < this.keys; row++) {
      const j = ranked[row];
      const there = j !== undefined && visible[j] > -Infinity;
      if (there) chosen.push(j);
      const say = (name, text) => (found[`${name}:${row}`] = there ? text() : "");
      say("sm", () => labels[j]);
      say("at", () => String(this.first + j));
      say("s", () => fixed(visible[j]));
      say("e", () => fixed(powers[j], 4));
      say("p", () => percent(pattern[j]));
      say("vt", () => labels[j]);
      say("vp", () => percent(pattern[j]));
      for (let d = 0; d < Math.min(this.dims, size); d++) {
        found[`v:${row}:${d}`] = there ? fixed(pattern[j] * value(j, d)) : "";
      }
    }
    found.top = fixed(top);
    found["e:rest"] = fixed(everything - sum(chosen.map((j) => powers[j])), 4);
    found["p:rest"] = percent(Math.max(0, 1 - sum(chosen.map((j) => pattern[j]))));
    found["e:sum"] = fixed(everything, 4);
    for (let d = 0; d < Math.min(this.dims, size); d++) {
      found[`v:rest:${d}`] = fixed(z[d] - sum(chosen.map((j) => pattern[j] * value(j, d))));
      found[`z:${d}`] = fixed(z[d]);
    }
    for (let j = 0; j < count; j++) {
      found[`row:${j}`] = visible[j] > -Infinity ? percent(pattern[j]) : "–";
    }
    return found;
  }
}

/** Bytes of a packed element. */
async function unpack(id) {
  const text = atob(byId(id).textContent);
  const packed = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** The attention chapter, following the choice. */
class Attention {
  constructor(heads) {
    this.heads = heads;
    this.choice = { ...heads.start };
    this.slots = all("[data-slot]");
    this.bars = all('[data-bar^="row:"]');
    this.cells = all("[data-cell]");
    this.matrix = byId("matrix");
    this.gallery = byId("gallery");
    // The longest bar of the row as it was drawn tells the length of 100 %.
    const drawn = heads.row("pattern", this.choice.at, this.choice.head, this.choice.query);
    this.room = Math.max(...this.bars.map((bar) => Number(bar.getAttribute("width"))));
    this.largest = Math.max(...drawn);
    this.left = Number(this.bars[0].getAttribute("x"));
    for (const name of ["at", "head", "query", "key"]) {
      byId(name).addEventListener("change", (event) => this.set({ [name]: Number(event.target.value) }));
    }
    byId("back").addEventListener("click", () => this.set({ ...heads.start }));
    this.matrix.addEventListener("click", (event) => this.click(event));
    this.matrix.addEventListener("pointermove", (event) => this.hover(event));
    this.matrix.addEventListener("pointerleave", () => this.show(this.choice));
    this.gallery?.addEventListener("click", (event) => this.jump(event));
    all(".chooser, .only-script").forEach((element) => (element.hidden = false));
    all(".without-script").forEach((element) => (element.hidden = true));
  }

  set(changes) {
    const next = { ...this.choice, ...changes };
    if (this.heads.causal) next.key = Math.min(next.key, next.query);
    this.choice = next;
    this.show(next);
    const { layer, head, query, key, share } = this.heads.read(next);
    byId("chosen").textContent = `Layer ${layer}, head ${head}: ${query} gives ${share} to ${key}.`;
  }

  /** Write and draw everything for a choice. */
  show(choice) {
    const { heads } = this;
    const texts = heads.read(choice);
    for (const element of this.slots) {
      const text = texts[element.dataset.slot];
      if (text !== undefined && element.textContent !== text) element.textContent = text;
    }
    for (const name of ["at", "head", "query", "key"]) byId(name).value = choice[name];
    const row = heads.row("pattern", choice.at, choice.head, choice.query);
    const largest = Math.max(...row) || 1;
    this.bars.forEach((bar, j) => {
      const long = (row[j] / largest) * this.room;
      bar.setAttribute("width", long);
      bar.classList.toggle("marked", j === choice.key);
      bar.parentNode.querySelector(`[data-slot="row:${j}"]`).setAttribute("x", this.left + long + 6);
    });
    for (const cell of this.cells) {
      const [i, j] = cell.dataset.cell.split(",").map(Number);
      const share = heads.row("pattern", choice.at, choice.head, i)[j];
      cell.setAttribute("fill-opacity", Math.min(1, Math.max(0, share)));
    }
    this.frame(choice);
  }

  frame({ at, head, query, key }) {
    const { left, top, size } = this.matrix.dataset;
    const cell = Number(size);
    const place = (name, x, y, width) => {
      const frame = this.matrix.querySelector(`[data-frame="${name}"]`);
      frame.setAttribute("x", x - 1);
      frame.setAttribute("y", y - 1);
      frame.setAttribute("width", width + 1);
    };
    const x = Number(left), y = Number(top) + query * cell;
    place("row", x, y, (this.heads.causal ? query + 1 : this.heads.count) * cell);
    place("cell", x + key * cell, y, cell);
    for (const [attribute, index] of [["data-from", query], ["data-to", key]]) {
      for (const label of this.matrix.querySelectorAll(`[${attribute}]`)) {
        label.classList.toggle("chosen", Number(label.getAttribute(attribute)) === index);
      }
    }
    if (this.gallery) {
      const { left: x0, top: y0, step } = this.gallery.dataset;
      const frame = this.gallery.querySelector('[data-frame="mini"]');
      frame.setAttribute("x", Number(x0) + head * Number(step) - 2);
      frame.setAttribute("y", Number(y0) + this.heads.layers[at] * Number(step) - 2);
    }
  }

  /** The pair under the pointer, or null. */
  pair(event) {
    const target = event.target.closest("[data-cell], [data-from], [data-to]");
    if (!target) return null;
    if (target.dataset.cell) {
      const [query, key] = target.dataset.cell.split(",").map(Number);
      return { query, key };
    }
    if (target.dataset.from) return { query: Number(target.dataset.from) };
    return { key: Number(target.dataset.to) };
  }

  click(event) {
    const pair = this.pair(event);
    if (pair) this.set(pair);
  }

  hover(event) {
    const pair = this.pair(event);
    if (!pair || pair.query === undefined || event.pointerType === "touch") return;
    const seen = { ...this.choice, ...pair };
    if (this.heads.causal) seen.key = Math.min(seen.key, seen.query);
    this.show(seen);
  }

  jump(event) {
    const mini = event.target.closest("[data-mini]");
    if (!mini) return;
    const [layer, head] = mini.dataset.mini.split(",").map(Number);
    const at = this.heads.layers.indexOf(layer);
    if (at >= 0) this.set({ at, head });
    else byId("chosen").textContent = `Layer ${layer} is not in this page; napari shows it.`;
  }
}

/** Mark in the contents what is being read and what has been. */
function follow() {
  const links = all(".contents a");
  const chapters = links.map((link) => byId(link.hash.slice(1)));
  const update = () => {
    const line = window.innerHeight * 0.35;
    let now = -1;
    chapters.forEach((chapter, i) => {
      if (chapter.getBoundingClientRect().top < line) now = i;
    });
    if (window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 4) now = links.length - 1;
    links.forEach((link, i) => {
      link.classList.toggle("read", i < now);
      if (i === now) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  };
  let asked = false;
  window.addEventListener(
    "scroll",
    () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        update();
      });
    },
    { passive: true },
  );
  update();
}

/** The keyboard stops only at what really has something to scroll. */
function scrolling() {
  const boxes = all(".scroll");
  const update = () => {
    for (const box of boxes) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  window.addEventListener("resize", update);
  document.addEventListener("toggle", update, true);
  update();
}

/** Buttons that copy the code beside them. */
function copying() {
  for (const button of all(".copy")) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.parentNode.querySelector("code").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not allowed";
      }
      setTimeout(() => (button.textContent = "Copy"), 1600);
    });
  }
}

document.documentElement.classList.add("scripted");
follow();
scrolling();
copying();
const told = JSON.parse(byId("lesson-data").textContent);
const numbers = new Float32Array(await unpack("lesson-heads"));
const attention = new Attention(new Heads(told, numbers));
window.lesson = { attention };
document.documentElement.dataset.ready = "heads";
