// One map: points, names above them, a camera that pointer and keys move, the row under the pointer, a lasso.
import { ask } from "../api.js";
import { hovered } from "../state.js";
import { html, useEffect, useRef, useState, watchSize } from "../ui.js";
import { first, laid, spotsOf } from "./labels.js";
import { palette } from "./palettes.js";
import { Grid, pointsOn } from "./points.js";

/**
 * @typedef {import("./points.js").Camera} Camera
 * @typedef {{id: number, letter: string, token?: string}} Mark  token: where it is known already
 * @typedef {{t: string, places: Uint16Array<ArrayBuffer>, shades?: Uint8Array<ArrayBuffer> | null, header?: any, marks: Mark[], height: number, label: string,
 *   lasso?: boolean, most?: number, camera?: Camera | null, onCamera?: (camera: Camera) => void, onPick?: (id: number, token: string) => void,
 *   onLasso?: (ids: number[]) => void, wheel?: boolean}} Props
 */

/** Names that were fetched, by table. @type {Map<string, Map<number, string>>} */
const known = new Map();

/** How long the last frames took, for those who measure. */
export const frames = /** @type {{first: number, count: number, kind: string, drawn: number, moving: number, finish: () => void}} */ ({
  first: 0,
  count: 0,
  kind: "",
  drawn: 0,
  moving: 60_000,
  finish() {},
});
/** @type {any} */ (globalThis).tokenspaceFrames = frames;

/** Names of rows, fetched where they are not known yet. @param {string} t @param {number[]} ids */
export async function namesOf(t, ids) {
  known.set(t, known.get(t) ?? new Map());
  const names = /** @type {Map<number, string>} */ (known.get(t));
  const missing = ids.filter((id) => !names.has(id)).slice(0, 200);
  if (missing.length) {
    const found = await ask("/tokens", { t, ids: missing });
    missing.forEach((id, index) => names.set(id, found.tokens[index]));
  }
  return names;
}

/** @param {Props} props */
export function MapCanvas(props) {
  const { t, places, shades = null, header = null, marks, height, label, lasso = false, most = 60 } = props;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const layer = useRef(/** @type {import("./points.js").GlPoints | import("./points.js").PixelPoints | null} */ (null));
  const [width, setWidth] = useState(0);
  const [camera, setCamera] = useState(/** @type {Camera | null} */ (props.camera ?? null));
  const [names, setNames] = useState(/** @type {ReturnType<typeof laid>} */ ([]));
  const [cut, setCut] = useState(/** @type {[number, number][]} */ ([]));
  const [themed, setThemed] = useState(0);
  const moving = useRef(1); // the first frame, too, is drawn with a part of the rows, and at once
  const last = useRef(0);
  /** The rows named in the view of the moment, whichever are marked. @type {{current: {places: Uint16Array, view: string, ids: number[]} | null}} */
  const crowd = useRef(null);
  /** @type {{current: Grid | null}} */
  const grid = useRef(null);
  const whole = () => ({ x: 0.5, y: 0.5, zoom: Math.min(width, height) * 0.96 });
  const now = camera ?? whole();

  useEffect(() => watchSize(box, (wide) => setWidth(wide)), []);
  useEffect(() => {
    const changed = () => setThemed((last) => last + 1);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", changed);
    scheme.addEventListener("change", changed);
    return () => {
      removeEventListener("themechange", changed);
      scheme.removeEventListener("change", changed);
    };
  }, []);
  useEffect(() => {
    const element = /** @type {HTMLCanvasElement} */ (canvas.current);
    const plain = new URLSearchParams(location.hash.slice(1)).get("draw") === "2d";
    layer.current = pointsOn(element, plain);
    frames.kind = layer.current.kind;
    frames.finish = () => layer.current?.finish();
    const lost = (/** @type {Event} */ event) => event.preventDefault();
    element.addEventListener("webglcontextlost", lost);
    return () => layer.current?.gone();
  }, []);
  useEffect(() => {
    layer.current?.setPlaces(places);
    grid.current = null;
  }, [places]);
  useEffect(() => {
    layer.current?.setShades(shades);
  }, [shades]);
  const dark = () => getComputedStyle(box.current ?? document.documentElement).getPropertyValue("--paper").trim().startsWith("#1");
  const spread = Math.min(1, Math.max(0.045, 0.9 * Math.sqrt(6000 / Math.max(1, places.length / 2)) * (now.zoom / 620)));
  useEffect(() => {
    layer.current?.setPalette(palette(header, dark()), header ? Math.min(1, spread * 2.2) : spread);
  }, [header, themed, Math.round(spread * 50)]);

  // Draw: at once with a part of the rows while the camera moves, with all of them when it rests.
  useEffect(() => {
    const points = layer.current;
    if (!points || !width) return undefined;
    const ratio = moving.current ? 1 : Math.min(2, devicePixelRatio || 1);
    const element = /** @type {HTMLCanvasElement} */ (canvas.current);
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    let stale = 0;
    const frame = requestAnimationFrame(() => {
      if (element.width !== wide || element.height !== high) [element.width, element.height] = [wide, high];
      const limit = moving.current ? frames.moving : Infinity;
      const size = places.length < 20_000 ? 3.4 : places.length < 200_000 ? 2.4 : 1.6;
      frames.drawn = points.draw(now, { size: size * Math.min(2.2, Math.max(1, Math.sqrt(now.zoom / 900))), alpha: 1, limit, dark: dark() });
      frames.count++;
      const took = performance.now() - last.current; // fewer points where frames are slow, more where they are quick
      if (moving.current && took < 600) frames.moving = Math.max(6000, Math.min(1e6, frames.moving * (took > 75 ? 0.75 : took < 25 ? 1.2 : 1)));
      last.current = performance.now();
      if (!frames.first) {
        points.finish();
        frames.first = performance.now();
      }
    });
    if (moving.current) stale = setTimeout(() => { moving.current = 0; setThemed((last) => last + 1); }, 160);
    return () => {
      cancelAnimationFrame(frame);
      clearTimeout(stale);
    };
  }, [places, shades, header, width, height, now.x, now.y, now.zoom, themed]);

  // Names: when the camera rests.
  useEffect(() => {
    if (!width) return undefined;
    let gone = false;
    const wait = setTimeout(() => {
      const view = [now.x, now.y, now.zoom, width, height].join();
      if (crowd.current?.places !== places || crowd.current.view !== view) crowd.current = { places, view, ids: first(places, now, width, height) };
      known.set(t, known.get(t) ?? new Map());
      for (const { id, token } of marks) if (token !== undefined) known.get(t)?.set(id, token);
      const spots = spotsOf(places, now, width, height, marks.map((mark) => mark.id), crowd.current.ids);
      const fetched = namesOf(t, spots.map((spot) => spot.id));
      fetched.then((found) => !gone && setNames(laid(spots, found, width, height, most)), () => !gone && setNames([]));
    }, moving.current ? 130 : 10);
    return () => {
      gone = true;
      clearTimeout(wait);
    };
  }, [places, width, height, now.x, now.y, now.zoom, marks.map((mark) => mark.id).join()]);

  /** @param {Camera} next */
  const move = (next) => {
    moving.current = performance.now();
    const kept = { x: Math.min(1.2, Math.max(-0.2, next.x)), y: Math.min(1.2, Math.max(-0.2, next.y)), zoom: Math.min(4e5, Math.max(60, next.zoom)) };
    setCamera(kept);
    props.onCamera?.(kept);
  };
  /** @param {number} factor @param {number} [px] @param {number} [py] */
  const zoomed = (factor, px = width / 2, py = height / 2) => {
    const zoom = Math.min(4e5, Math.max(60, now.zoom * factor));
    const change = 1 / now.zoom - 1 / zoom;
    move({ x: now.x + (px - width / 2) * change, y: now.y - (py - height / 2) * change, zoom });
  };
  const at = (/** @type {PointerEvent | WheelEvent | MouseEvent} */ event) => {
    const rect = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    return /** @type {[number, number]} */ ([event.clientX - rect.left, event.clientY - rect.top]);
  };
  const under = (/** @type {[number, number]} */ [px, py]) =>
    (grid.current ??= new Grid(places)).nearest(65535 * (now.x + (px - width / 2) / now.zoom), 65535 * (now.y - (py - height / 2) / now.zoom), (65535 * 9) / now.zoom);
  const screen = (/** @type {number} */ id) => ({ x: width / 2 + (places[2 * id] / 65535 - now.x) * now.zoom, y: height / 2 - (places[2 * id + 1] / 65535 - now.y) * now.zoom });

  /** @type {{current: null | {from: [number, number], camera: Camera, far: boolean}}} */
  const grabbed = useRef(null);
  /** @type {{current: [number, number][] | null}} */
  const cutting = useRef(null);
  const pointers = useRef(/** @type {Map<number, [number, number]> | null} */ (null));
  pointers.current ??= new Map();
  /** @param {PointerEvent} event */
  const down = (event) => {
    const place = at(event);
    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
    pointers.current.set(event.pointerId, place);
    if ((lasso || event.shiftKey) && props.onLasso) cutting.current = [place];
    else grabbed.current = { from: place, camera: now, far: false };
  };
  /** @param {PointerEvent} event */
  const dragged = (event) => {
    const place = at(event);
    if (pointers.current.has(event.pointerId)) {
      const before = [...pointers.current.values()];
      pointers.current.set(event.pointerId, place);
      const after = [...pointers.current.values()];
      if (after.length === 2) {
        const far = (/** @type {[number, number][]} */ [a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
        zoomed(far(after) / far(before), (after[0][0] + after[1][0]) / 2, (after[0][1] + after[1][1]) / 2);
        grabbed.current = null;
        return;
      }
    }
    if (cutting.current) {
      cutting.current.push(place);
      setCut([...cutting.current]);
    } else if (grabbed.current) {
      const { from, camera: start } = grabbed.current;
      if (Math.hypot(place[0] - from[0], place[1] - from[1]) > 3) grabbed.current.far = true;
      if (grabbed.current.far) move({ ...start, x: start.x - (place[0] - from[0]) / start.zoom, y: start.y + (place[1] - from[1]) / start.zoom });
    } else {
      const id = under(place);
      hovered.value = id >= 0 ? id : null;
      if (id >= 0) namesOf(t, [id]).then(() => setThemed((last) => last), () => {});
    }
  };
  /** @param {PointerEvent} event */
  const up = (event) => {
    pointers.current.delete(event.pointerId);
    if (cutting.current) {
      const shape = cutting.current.map(([px, py]) => [now.x + (px - width / 2) / now.zoom, now.y - (py - height / 2) / now.zoom]);
      cutting.current = null;
      setCut([]);
      if (shape.length > 2) props.onLasso?.(insideOf(places, shape));
    } else if (grabbed.current && !grabbed.current.far) {
      const id = under(at(event));
      if (id >= 0) namesOf(t, [id]).then((found) => props.onPick?.(id, found.get(id) ?? ""), () => {});
    }
    grabbed.current = null;
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const far = 60 / now.zoom;
    const way = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] }[event.key];
    if (way) move({ ...now, x: now.x + way[0], y: now.y + way[1] });
    else if (event.key === "+" || event.key === "=") zoomed(1.4);
    else if (event.key === "-") zoomed(1 / 1.4);
    else if (event.key === "0") setCamera(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const lit = hovered.value;
  const litName = lit !== null ? known.get(t)?.get(lit) : undefined;
  const tip = lit !== null && 2 * lit < places.length && width ? screen(lit) : null;
  return html`<div ref=${box} class=${lasso ? "map-box lasso" : "map-box"} style=${`height:${height}px`}>
    <canvas ref=${canvas} style=${`width:100%;height:${height}px`} aria-hidden="true"></canvas>
    <svg class="over" width=${width} height=${height} aria-hidden="true">
      ${marks.filter((mark) => 2 * mark.id < places.length).map((mark) => {
        const spot = screen(mark.id);
        return html`<circle key=${`${mark.letter}${mark.id}`} class="dot" cx=${spot.x} cy=${spot.y} r=${{ e: 4, i: 6.5, c: 9, q: 3 }[mark.letter] ?? 5} style=${`stroke:var(--${mark.letter === "q" ? "ink" : mark.letter})`} />`;
      })}
      ${names.map((one) => html`<text key=${one.id} class=${one.hit ? "hit" : ""} x=${one.x} y=${one.y} text-anchor=${one.anchor} data-box=${[one.box.x0, one.box.y0, one.box.x1, one.box.y1].map((v) => v.toFixed(1)).join()}>${one.text}</text>`)}
      ${tip && html`<g><circle class="dot" cx=${tip.x} cy=${tip.y} r="6" style="stroke:var(--ink)" />${litName !== undefined && html`<text class="hit" x=${tip.x + 9} y=${tip.y - 8}>${litName}</text>`}</g>`}
      ${cut.length > 1 && html`<path class="cut" d=${`M${cut.map((p) => p.join()).join("L")}Z`} />`}
    </svg>
    <div
      class="pad"
      tabindex="0"
      role="application"
      aria-roledescription="map"
      aria-label=${`${label} Arrow keys move it, plus and minus zoom, 0 shows all of it.`}
      onPointerDown=${down}
      onPointerMove=${dragged}
      onPointerUp=${up}
      onPointerCancel=${up}
      onPointerLeave=${() => (hovered.value = null)}
      onWheel=${props.wheel === false ? undefined : (/** @type {WheelEvent} */ event) => { event.preventDefault(); zoomed(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), ...at(event)); }}
      onDblClick=${(/** @type {MouseEvent} */ event) => zoomed(2, ...at(event))}
      onKeyDown=${pressed}
    ></div>
  </div>`;
}

/**
 * Rows inside a polygon (even-odd rule).
 * @param {Uint16Array} places
 * @param {number[][]} shape corners in 0..1
 */
export function insideOf(places, shape) {
  const found = [];
  const [xs, ys] = [shape.map((p) => p[0] * 65535), shape.map((p) => p[1] * 65535)];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (let id = 0; 2 * id < places.length; id++) {
    const [x, y] = [places[2 * id], places[2 * id + 1]];
    if (x < x0 || x > x1 || y < y0 || y > y1) continue;
    let inside = false;
    for (let a = 0, b = xs.length - 1; a < xs.length; b = a++)
      if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) inside = !inside;
    if (inside) found.push(id);
  }
  return found;
}
