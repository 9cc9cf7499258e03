// The view in the address: everything that was changed, in words that can be read.

const DECIMALS = 4;

/** Names of the state's entries in the address, and how each is written and read. */
function linkFields(scan, transfers, partNames) {
  const number = (low, high) => ({
    write: (v) => String(Number(v.toPrecision(DECIMALS + 2))),
    read: (text) => {
      const v = Number(text);
      return text !== "" && Number.isFinite(v) && v >= low && v <= high ? v : undefined;
    },
  });
  const numbers = (count, check, digits) => ({
    write: (all) => all.map((v) => (digits === 0 ? v : Number(v.toFixed(digits)))).join(","),
    read: (text) => {
      const all = text.split(",").map(Number);
      return all.length === count && all.every(Number.isFinite) && check(all) ? all : undefined;
    },
  });
  const oneOf = (names) => ({ write: String, read: (text) => (names.includes(text) ? text : undefined) });
  const flag = { write: (v) => (v ? "1" : "0"), read: (text) => (text === "1" || text === "0" ? text === "1" : undefined) };
  const place = numbers(3, (all) => all.every((v, i) => Number.isInteger(v) && v >= 0 && v < scan.shape[i]), 0);
  return {
    at: ["cursor", place],
    low: ["low", number(-Infinity, Infinity)],
    high: ["high", number(-Infinity, Infinity)],
    colours: ["transfer", oneOf([...transfers.keys()])],
    turned: ["invert", flag],
    opacity: ["opacity", number(0, 1)],
    show: ["mode", oneOf(Object.keys(MODES))],
    cut: ["cut", {
      write: (v) => (v === null ? "none" : scan.axes[v].name),
      read: (text) => {
        if (text === "none") return null;
        const axis = scan.axes.findIndex(({ name }) => name === text);
        return axis < 0 ? undefined : axis;
      },
    }],
    only: ["only", {
      write: (v) => (v === null ? "all" : partNames()[v]),
      read: (text) => {
        if (text === "all") return null;
        const part = partNames().indexOf(text);
        return part < 0 ? undefined : part;
      },
    }],
    azimuth: ["azimuth", number(-360, 360)],
    elevation: ["elevation", number(-90, 90)],
    zoom: ["zoom", number(0.3, 12)],
    shift: ["shift", numbers(2, () => true, 3)],
    large: ["large", { write: (v) => String(v), read: (t) => (["0", "1", "2", "3"].includes(t) ? Number(t) : undefined) }],
    theme: ["theme", oneOf(["dark", "light"])],
  };
}

/** The hash for a state: what differs from the first view, and always the window and the place. */
function writeLink(fields, state, first) {
  const words = [];
  for (const [name, [key, { write }]] of Object.entries(fields)) {
    if (state[key] === null && first[key] === null) continue;
    const always = ["cursor", "low", "high"].includes(key);
    if (always || !same(state[key], first[key])) words.push(`${name}=${encodeURIComponent(write(state[key])).replaceAll("%2C", ",")}`);
  }
  return `#${words.join("&")}`;
}

/** The changes that a hash asks for; what cannot be read is left out. */
function readLink(fields, hash) {
  const found = {};
  for (const word of hash.replace(/^#/, "").split("&")) {
    const [name, text] = word.split("=");
    const field = fields[name];
    if (!field || text === undefined) continue;
    let value;
    try {
      value = field[1].read(decodeURIComponent(text));
    } catch {
      continue;
    }
    if (value !== undefined) found[field[0]] = value;
  }
  if ("low" in found !== "high" in found || found.low >= found.high) {
    delete found.low;
    delete found.high;
  }
  return found;
}
