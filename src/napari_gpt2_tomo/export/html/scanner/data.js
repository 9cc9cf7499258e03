// The data of the page: unpacked from its own script elements, never fetched.

const byId = (id) => document.getElementById(id);

/** What JSON element `id` of the page holds. */
function readJson(id) {
  return JSON.parse(byId(id).textContent);
}

/** Bytes of the packed element `id`; the element is emptied, its text would be held twice. */
async function unpack(id) {
  const element = byId(id);
  const text = atob(element.textContent);
  element.textContent = "";
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < packed.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The shown level: bytes, their values, labels of parts. Index order: section, row, column. */
class Picture {
  constructor(scan, codes) {
    this.shape = scan.shape;
    this.codes = codes;
    this.labels = null;
    this.air = scan.codes.air;
    this.notFinite = scan.codes.notFinite;
    this.values = Float64Array.from(scan.codes.values, (v) => v ?? NaN);
    this.errors = Float64Array.from(scan.codes.errors, (v) => v ?? NaN);
    this.strides = [this.shape[1] * this.shape[2], this.shape[2], 1];
  }

  index(at) {
    return at[0] * this.strides[0] + at[1] * this.strides[1] + at[2];
  }

  /** Number of the part at a voxel, −1 in air or while labels are unknown. */
  part(at) {
    return this.labels ? this.labels[this.index(at)] - 1 : -1;
  }

  /** How often each byte occurs, in all voxels or in those of one part. */
  counts(part = null) {
    const found = new Float64Array(256);
    if (part === null) for (const code of this.codes) found[code]++;
    else {
      for (let i = 0; i < this.codes.length; i++) {
        if (this.labels[i] === part + 1) found[this.codes[i]]++;
      }
    }
    return found;
  }

  /** The value below which a share of the voxels lies that `counts` counted. */
  quantile(counts, share) {
    const used = [];
    let total = 0;
    for (let code = 0; code < 256; code++) {
      if (Number.isFinite(this.values[code]) && counts[code]) {
        used.push(code);
        total += counts[code];
      }
    }
    let seen = 0;
    for (const code of used) {
      seen += counts[code];
      if (seen >= share * total) return this.values[code];
    }
    return 0;
  }
}

/** A number for a person: as many digits as `error` leaves standing, else four. */
function asText(value, error = 0) {
  if (!Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  let text;
  if (error > 0 && size < 1e6 && error > 1e-7) {
    text = value.toFixed(Math.min(9, Math.max(0, Math.ceil(-Math.log10(error)))));
  } else if (size >= 1e5 || size < 1e-4) text = value.toExponential(2);
  else text = String(Number(value.toPrecision(4)));
  return text.replace("-", "−");
}

/** A half-open range as its first and last member. */
function span(start, stop) {
  return stop - start > 1 ? `${start}–${stop - 1}` : `${start}`;
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
