// The state of the page: one object, changed in one way, told once per frame.

class Store {
  constructor(initial) {
    this.state = { ...initial };
    this.first = { ...initial };
    this.listeners = [];
    this.changed = new Set();
    this.frame = 0;
  }

  /** Change some of the state; whoever listens hears of it before the next frame is drawn. */
  set(changes) {
    for (const [key, value] of Object.entries(changes)) {
      if (!(key in this.state)) throw new RangeError(`the page has no ${key}`);
      if (same(this.state[key], value)) continue;
      this.state[key] = value;
      this.changed.add(key);
    }
    if (this.changed.size && !this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  /** Call back when one of `keys` changed, once a frame. */
  on(keys, listener) {
    this.listeners.push([new Set(keys.split(" ")), listener]);
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const changed = this.changed;
    this.changed = new Set();
    for (const [keys, listener] of this.listeners) {
      for (const key of keys) {
        if (changed.has(key)) {
          listener(this.state, changed);
          break;
        }
      }
    }
  }

  tellAll() {
    this.changed = new Set(Object.keys(this.state));
    this.flush();
  }
}

function same(a, b) {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => v === b[i]);
  return a === b;
}
