// Mouse, pen and fingers on a view, as a few words: press, move, release, tap, pinch, wheel.

const TAP_PIXELS = 4; // A press that moved less is a click.
const TAP_MS = 350;
const PINCH_SHARE = 0.14; // Two fingers that change their distance by more want to zoom, …
const TWO_PIXELS = 9; // … those that move together by more want something else.

/**
 * Listen to an element.
 * @param {HTMLElement} element
 * @param {object} on `drag(kind, event, dx, dy)` with kind "left", "right", "middle" or "two";
 *   `start(kind, event)` (kind "left", …) and `end(kind)`; `tap(event)`; `pinch(ratio, x, y)`;
 *   `wheel(steps, event)`.
 */
function listen(element, on) {
  const fingers = new Map();
  let kind = null;
  let from = null;
  let two = null; // What two fingers did since they were put down.

  const begin = (next, event) => {
    if (kind) on.end?.(kind);
    kind = next;
    if (kind) on.start?.(kind, event);
  };
  const distance = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  const middle = () => {
    const all = [...fingers.values()];
    return { x: all.reduce((s, p) => s + p.x, 0) / all.length, y: all.reduce((s, p) => s + p.y, 0) / all.length };
  };

  element.addEventListener("pointerdown", (event) => {
    element.focus({ preventScroll: true });
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 1) {
      from = { x: event.clientX, y: event.clientY, time: event.timeStamp, moved: false };
      const names = ["left", "middle", "right"];
      const right = event.button === 0 && event.ctrlKey && event.pointerType === "mouse";
      const move = event.button === 0 && event.shiftKey;
      begin(right ? "right" : move ? "middle" : (names[event.button] ?? "left"), event);
    } else if (fingers.size === 2) {
      from.moved = true;
      two = { spread: distance(), first: distance(), middle: middle(), start: middle(), means: null, frame: 0 };
      begin("two", event);
    }
    event.preventDefault();
  });

  element.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) {
      on.hover?.(event);
      return;
    }
    const before = middle();
    finger.x = event.clientX;
    finger.y = event.clientY;
    const now = middle();
    if (Math.hypot(now.x - from.x, now.y - from.y) > TAP_PIXELS) from.moved = true;
    if (fingers.size === 2) {
      // Fingers are told of one after another: only together they show what is meant.
      two.frame ||= requestAnimationFrame(() => follow(event));
      return;
    }
    if (kind && (from.moved || kind !== "left")) on.drag?.(kind, event, now.x - before.x, now.y - before.y);
  });

  const follow = (event) => {
    if (fingers.size !== 2 || !two) return;
    two.frame = 0;
    const [spread, now] = [distance(), middle()];
    if (!two.means) {
      if (Math.abs(Math.log(spread / two.first)) > PINCH_SHARE) two.means = "pinch";
      else if (Math.hypot(now.x - two.start.x, now.y - two.start.y) > TWO_PIXELS) two.means = "drag";
      else return;
    }
    if (two.means === "pinch") on.pinch?.(spread / two.spread, now.x, now.y);
    else on.drag?.("two", event, now.x - two.middle.x, now.y - two.middle.y);
    Object.assign(two, { spread, middle: now });
  };

  const leave = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    if (fingers.size) return;
    const tapped = event.type === "pointerup" && kind === "left" && !from.moved;
    begin(null);
    if (tapped && event.timeStamp - from.time < TAP_MS) on.tap?.(event);
  };
  element.addEventListener("pointerup", leave);
  element.addEventListener("pointercancel", leave);
  element.addEventListener("contextmenu", (event) => event.preventDefault());

  let rest = 0;
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    // A mouse sends about 100 pixels a notch, a touchpad many small ones.
    rest += event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    const steps = Math.abs(event.deltaY) >= 50 && event.deltaMode === 0 ? Math.sign(event.deltaY) : Math.trunc(rest);
    if (!steps) return;
    rest = 0;
    on.wheel?.(steps, event);
  }, { passive: false });
}

/** Place of a pointer in CSS pixels of an element. */
function placeIn(element, event) {
  const box = element.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}
