// Puts the page together: reads the data, paints the slices, then names voxels, then the volume.

const root = document.documentElement;
const scan = readJson("scan");
const transfers = new Map(scan.transfers.map((row) => [row.name, new Transfer(row)]));

const store = new Store({
  cursor: scan.start,
  low: scan.window[0],
  high: scan.window[1],
  transfer: scan.transfer,
  invert: scan.invert,
  opacity: 0.6,
  mode: "depth",
  cut: null,
  only: null,
  azimuth: 215,
  elevation: 18,
  zoom: 1,
  shift: [0, 0],
  rotate: false,
  dragging: false,
  large: scan.shape[0] === 1 ? 0 : null, // A single plane has nothing to see across.
  theme: "dark",
});

const page = { scan, store, addresses: null, picture: null, volume: null, histogram: null, panes: [] };
window.scanner = page; // For scripts and tests: scanner.store.set({…}), scanner.describe([i, j, k]).

const ready = (word) => {
  performance.mark(word);
  root.dataset.ready = [...(root.dataset.ready ?? "").split(" ").filter(Boolean), word].join(" ");
};

function fail(error) {
  document.body.classList.add("failed");
  const text = titled("p", `This page cannot show its data: ${error.message}. A current Chrome, Edge, Firefox or Safari can.`);
  text.className = "fatal";
  document.body.append(text);
  throw error;
}

async function main() {
  byId("name").textContent = scan.name;
  byId("subtitle").textContent = scan.subtitle;
  byId("licence").textContent = scan.licence;
  fillCard(scan.card);

  // Unpacking goes on beside everything else.
  const [codes, labels, tables, niivue] = ["codes", "labels", "tables", "niivue"].map(unpack);
  niivue.catch(() => {});
  const picture = new Picture(scan, await codes);
  page.picture = picture;
  const panes = [0, 1, 2].map((axis) => new SlicePane(axis, scan, picture, store));
  page.panes = panes;
  const volume = new VolumePane(scan, picture, store);
  page.volume = volume;
  const histogram = new HistogramPanel(scan, picture, store, () => transfers.get(store.state.transfer));
  page.histogram = histogram;
  const windowing = new Windowing(store, () => histogram.spread());
  const units = new Units(scan);
  for (const view of [...panes, volume]) view.connect(windowing);

  connectWindowFields(store, units, histogram);
  makeTransfers(transfers, store);
  connectSliders(panes);
  connectColours(panes, volume, histogram);
  connectViews(panes, volume);
  const fields = linkFields(scan, transfers, () => page.addresses?.parts.names ?? []);
  store.set(readLink(fields, location.hash));
  store.tellAll();
  ready("slices");

  const { buffer } = await labels;
  picture.labels = scan.labelBytes === 4 ? new Uint32Array(buffer) : new Uint16Array(buffer);
  page.addresses = new Addresses(scan, JSON.parse(new TextDecoder().decode(await tables)));
  const bands = scan.layout === "body" ? bandsOf(picture, page.addresses.parts) : [];
  for (const pane of panes) pane.bands = bands;
  const list = new PartList(page.addresses.parts, page.addresses.tensors, (part) => {
    store.set({ cursor: page.addresses.parts.at[part] });
    toast(`${page.addresses.parts.titles[part]}`);
  });
  connectProbe(list, histogram);
  connectTools(fields, panes, volume);
  // A part in the link could not be read before the parts had names.
  store.set(readLink(fields, location.hash));
  store.tellAll();
  ready("names");

  await volume.start(await niivue);
  volume.draw(1);
  captionVolume();
  ready(volume.ready ? "volume" : "no-volume");
}

/** The colours of all bytes, for the slices, the volume and the bar. */
function recolour(panes, volume, histogram) {
  const { low, high, transfer, invert } = store.state;
  const table = colourTable(page.picture, transfers.get(transfer), low, high, invert);
  const [bright, dim] = [pixelTable(table, scan.codes.air), pixelTable(table, scan.codes.air, DIMMED)];
  for (const pane of panes) {
    pane.setColours(bright, dim);
    pane.draw();
  }
  volume.setColours(table);
  histogram.draw();
}

function connectColours(panes, volume, histogram) {
  store.on("low high transfer invert", () => recolour(panes, volume, histogram));
  store.on("cursor only", () => panes.forEach((pane) => pane.draw()));
  store.on("only", ({ only }) => volume.setOnly(only));
  store.on("cursor opacity mode cut azimuth elevation zoom shift", () => volume.drawSoon());
  const opacity = byId("opacity");
  opacity.addEventListener("input", () => store.set({ opacity: Number(opacity.value) }));
  byId("invert").addEventListener("change", (event) => store.set({ invert: event.target.checked }));
  store.on("opacity", ({ opacity: now }) => {
    opacity.value = now;
    byId("opacity-text").textContent = `${Math.round(now * 100)} %`;
  });
  store.on("invert", ({ invert }) => {
    byId("invert").checked = invert;
  });
}

function connectSliders(panes) {
  const names = ["Axial", "Coronal", "Sagittal"];
  const typing = new Set(); // Fields that somebody is writing in: they are left alone.
  panes.forEach((pane, axis) => {
    const { name } = scan.axes[axis];
    byId(`title-${axis}`).textContent = names[axis];
    pane.canvas.setAttribute("aria-label", `${names[axis]} slice across ${name}; arrow keys move the crosshair, page keys the slice`);
    for (const kind of ["slider", "number"]) {
      const field = byId(`${kind}-${axis}`);
      field.max = scan.shape[axis] - 1;
      field.disabled = scan.shape[axis] < 2;
      field.setAttribute("aria-label", `${name}${kind === "slider" ? "" : ", number"}`);
      field.addEventListener(kind === "slider" ? "input" : "change", () => {
        const at = [...store.state.cursor];
        const wanted = Math.round(Number(field.value));
        at[axis] = clamp(Number.isFinite(wanted) ? wanted : at[axis], 0, scan.shape[axis] - 1);
        store.set({ cursor: at });
        field.value = at[axis];
        typing.delete(field);
      });
      if (kind === "number") field.addEventListener("input", () => typing.add(field));
      field.addEventListener("blur", () => typing.delete(field));
    }
  });
  store.on("cursor", ({ cursor }) => {
    cursor.forEach((value, axis) => {
      for (const field of [byId(`slider-${axis}`), byId(`number-${axis}`)]) {
        if (!typing.has(field)) field.value = value;
      }
    });
  });
}

/** What the page says about a voxel. */
function describe(at) {
  const { picture, addresses } = page;
  const code = picture.codes[picture.index(at)];
  const part = picture.part(at);
  const found = addresses?.describe(at, part) ?? null;
  return { code, part, found, value: picture.values[code], error: picture.errors[code], finite: code !== scan.codes.notFinite };
}
page.describe = describe;

function connectProbe(list, histogram) {
  const { parts } = page.addresses;
  let spoken = 0;
  store.on("cursor", ({ cursor }) => {
    const { part, found, value, error, finite, code } = describe(cursor);
    list.mark(part);
    byId("probe-chip").style.background = part >= 0 ? parts.colours[part] : "transparent";
    byId("probe-part").textContent = found ? [found.title, found.words].filter(Boolean).join(" · ") : "Air: no parameter lies here";
    byId("probe-tensor").textContent = found?.range ?? "";
    byId("probe-tensor").title = found?.range ?? "";
    byId("probe-value").textContent = code === scan.codes.air ? "—" : finite ? `${asText(value, error)} ± ${asText(Number(error.toPrecision(1)))}` : "not finite";
    byId("probe-note").textContent = found ? noteOn(found) : "";
    for (const id of ["window-part", "only-part"]) byId(id).disabled = part < 0 && !(id === "only-part" && store.state.only !== null);
    cursor.forEach((_, axis) => {
      byId(`caption-${axis}`).textContent = page.addresses.caption(axis, cursor, part);
    });
    clearTimeout(spoken);
    spoken = setTimeout(() => {
      byId("spoken").textContent = `${byId("probe-part").textContent}, ${byId("probe-value").textContent}`;
    }, 700);
  });
  store.on("mode cut only", captionVolume);
  byId("only-part").addEventListener("click", toggleOnly);
  byId("window-part").addEventListener("click", () => choosePreset({ part: true }));
  makePresets(scan.presets, choosePreset);
  histogram.draw();
}

function captionVolume() {
  const { mode, cut, only } = store.state;
  const words = [MODE_WORDS[mode]];
  if (cut !== null) words.push(`cut at ${scan.axes[cut].name}`);
  if (only !== null) words.push(`only ${page.addresses.parts.titles[only]}`);
  const { texture } = page.volume;
  if (texture?.isThinned) words.push(`strongest of ${texture.thin.join(" × ")} voxels`);
  byId("caption-3").textContent = words.join(" · ");
  byId("only-part").setAttribute("aria-pressed", String(only !== null));
  byId("only-part").querySelector("span").textContent = only === null ? "Only this part" : "Show all";
}

function noteOn({ count, others }) {
  const words = count > 1 ? `${scan.reductionWords} of ${count.toLocaleString("en")} weights` : scan.signalWords;
  return others ? `${words}; ${others} more ${others === 1 ? "tensor" : "tensors"} here` : words;
}

function toggleOnly() {
  const part = page.picture.part(store.state.cursor);
  store.set({ only: store.state.only === null && part >= 0 ? part : null });
}

/** A preset's window; that of a part comes from the part's voxels. */
function choosePreset(preset) {
  if (!preset.part) {
    store.set({ low: preset.low, high: preset.high });
    return;
  }
  const part = page.picture.part(store.state.cursor);
  if (part < 0) {
    toast("The crosshair is in air: move it to a part first.");
    return;
  }
  const counts = page.picture.counts(part);
  let [low, high] = [0.001, 0.999].map((share) => page.picture.quantile(counts, share));
  if (scan.signed && low < 0 && high > 0) {
    high = Math.max(-low, high);
    low = -high;
  } else if (scan.fromZero) low = 0;
  if (!(low < high)) [low, high] = [low - 1, high + 1];
  store.set({ low, high });
}

function connectViews(panes, volume) {
  const mode = byId("mode");
  for (const [key, title] of Object.entries(MODES)) mode.append(new Option(title, key));
  mode.addEventListener("change", () => store.set({ mode: mode.value }));
  const cut = byId("cut");
  cut.append(new Option("–", ""));
  scan.axes.forEach(({ name }, axis) => cut.append(new Option(name, axis)));
  cut.addEventListener("change", () => store.set({ cut: cut.value === "" ? null : Number(cut.value) }));
  byId("rotate").addEventListener("click", () => store.set({ rotate: !store.state.rotate }));
  byId("reset").addEventListener("click", () => reset(panes));
  byId("drag-window").addEventListener("click", () => store.set({ dragging: !store.state.dragging }));
  for (const button of document.querySelectorAll("[data-large]")) {
    button.addEventListener("click", () => {
      const own = Number(button.dataset.large);
      store.set({ large: store.state.large === own ? null : own });
    });
  }
  volume.over.setAttribute("aria-label", "Volume in 3-D; arrow keys turn it, plus and minus zoom");
  store.on("mode cut rotate dragging", (state) => {
    mode.value = state.mode;
    cut.value = state.cut ?? "";
    byId("rotate").setAttribute("aria-pressed", String(state.rotate));
    byId("drag-window").setAttribute("aria-pressed", String(state.dragging));
    byId("grid").classList.toggle("windowing", state.dragging);
  });
  store.on("large", ({ large }) => {
    byId("grid").classList.toggle("single", large !== null);
    [0, 1, 2, 3].forEach((number) => {
      byId(`pane-${number}`).classList.toggle("large", large === number);
      document.querySelector(`[data-large="${number}"]`).setAttribute("aria-pressed", String(large === number));
    });
  });
  store.on("theme", ({ theme }) => {
    root.dataset.theme = theme;
    byId("toggle-theme").setAttribute("aria-pressed", String(theme === "light"));
  });
}

/** Everything as at first, but for the theme. */
function reset(panes) {
  store.set({ ...store.first, theme: store.state.theme });
  panes.forEach((pane) => pane.fit());
}

function connectTools(fields, panes, volume) {
  const captions = () => [0, 1, 2].map((axis) => `${byId(`title-${axis}`).textContent} · ${byId(`caption-${axis}`).textContent}`)
    .concat(`3-D · ${byId("caption-3").textContent}`);
  const dialogs = { "open-card": byId("card"), "open-help": byId("help") };
  for (const [id, dialog] of Object.entries(dialogs)) {
    byId(id).addEventListener("click", () => dialog.showModal());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
  byId("copy-link").addEventListener("click", async () => {
    history.replaceState(null, "", writeLink(fields, store.state, store.first));
    try {
      await navigator.clipboard.writeText(location.href);
      toast("The link to this view is on the clipboard.");
    } catch {
      toast("The address bar holds the link to this view: copy it there.");
    }
  });
  const parts = () => ({
    scan, panes, volume, store, transfer: transfers.get(store.state.transfer), captions: captions(),
    probe: byId("probe-tensor").textContent,
  });
  page.compose = () => composePicture(parts());
  byId("take-picture").addEventListener("click", () => savePicture(parts()));
  byId("toggle-theme").addEventListener("click", () => {
    store.set({ theme: store.state.theme === "dark" ? "light" : "dark" });
  });

  let writing = 0;
  let written = location.hash;
  store.on(Object.values(fields).map(([key]) => key).join(" "), () => {
    clearTimeout(writing);
    writing = setTimeout(() => {
      // A view that turns by itself would fill the address bar with angles.
      if (store.state.rotate) return;
      written = writeLink(fields, store.state, store.first);
      history.replaceState(null, "", written);
    }, 250);
  });
  window.addEventListener("hashchange", () => {
    if (location.hash !== written) store.set({ ...store.first, theme: store.state.theme, ...readLink(fields, location.hash) });
  });
  connectKeys(panes);
}

function connectKeys(panes) {
  const names = [...transfers.keys()];
  const step = (list, now, by) => list[(list.indexOf(now) + by + list.length) % list.length];
  const nudge = (centre, width) => {
    const { low, high } = store.state;
    const size = high - low;
    const middle = (low + high) / 2 + centre * size;
    const half = (size * width) / 2;
    store.set({ low: middle - half, high: middle + half });
  };
  const focused = () => {
    const pane = document.activeElement?.closest?.(".pane");
    return pane ? Number(pane.id.slice(-1)) : 3;
  };
  const keys = {
    "[": () => panes[0].step(0, -1),
    "]": () => panes[0].step(0, 1),
    ",": () => nudge(0, 1 / 1.1),
    ".": () => nudge(0, 1.1),
    "<": () => nudge(-0.05, 1),
    ">": () => nudge(0.05, 1),
    t: () => store.set({ transfer: step(names, store.state.transfer, 1) }),
    T: () => store.set({ transfer: step(names, store.state.transfer, -1) }),
    m: () => store.set({ mode: step(Object.keys(MODES), store.state.mode, 1) }),
    r: () => store.set({ rotate: !store.state.rotate }),
    o: toggleOnly,
    f: () => store.set({ large: store.state.large === null ? focused() : null }),
    w: () => store.set({ dragging: !store.state.dragging }),
    i: () => byId("open-card").click(),
    l: () => byId("copy-link").click(),
    s: () => byId("take-picture").click(),
    "?": () => byId("open-help").click(),
    "/": () => byId("search").focus(),
    "0": () => reset(panes),
    Escape: () => store.set({ large: null }),
  };
  window.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input:not([type=range], [type=checkbox], [type=radio]), select, textarea");
    if (typing || document.querySelector("dialog[open]")) return;
    const preset = /^[1-9]$/.test(event.key) ? scan.presets[Number(event.key) - 1] : null;
    if (preset) choosePreset(preset);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  });
}

main().catch(fail);
