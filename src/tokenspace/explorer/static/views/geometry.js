// Fig. 3 on real vectors: u and v in the plane they span, true to scale. v can be dragged, by pointer or by keys.
import { ask, latest } from "../api.js";
import { save, savePng, standalone } from "../exports.js";
import { html, number, python, quoted, useEffect, useMemo, useRef, useState, visible, watchSize } from "../ui.js";
import { Command } from "./command.js";

/**
 * @typedef {{u: string, v: string, norm_u: number, norm_v: number, angle: number | null, euclidean: number, inner_product: number,
 *   cosine: number | null, projection: number | null, identity_left: number, identity_right: number, d: number}} Pair
 * @typedef {{x: number, y: number}} Point
 */

/**
 * All three measures of two vectors of the plane, u along the first axis.
 * @param {number} u length of u
 * @param {Point} v
 */
export function measured(u, v) {
  const length = Math.hypot(v.x, v.y);
  const product = u * v.x;
  return {
    euclidean: Math.hypot(v.x - u, v.y),
    inner_product: product,
    cosine: u && length ? Math.max(-1, Math.min(1, v.x / length)) : null,
    norm_v: length,
    angle: u && length ? Math.atan2(v.y, v.x) : null,
    projection: u ? v.x : null,
  };
}

/**
 * Where things go on paper of a given size: one scale for both axes, everything inside.
 * @param {Point[]} points
 * @param {number} width
 * @param {number} height
 */
export function fitted(points, width, height) {
  const [sides, above, below] = [64, 40, 54];
  const [left, right] = [Math.min(...points.map((p) => p.x)), Math.max(...points.map((p) => p.x))];
  const [low, high] = [Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y))];
  const scale = Math.min((width - 2 * sides) / Math.max(right - left, 1e-300), (height - above - below) / Math.max(high - low, 1e-300), 1e300);
  const usable = Number.isFinite(scale) && scale > 0 ? scale : 1;
  const origin = { x: (width - usable * (left + right)) / 2, y: above + (height - above - below + usable * (high + low)) / 2 };
  return { scale: usable, origin, at: (/** @type {Point} */ p) => ({ x: origin.x + usable * p.x, y: origin.y - usable * p.y }) };
}

const asked = latest();

/** @param {{t: string, u: string, v: string, height?: number}} props */
export function Geometry({ t, u, v, height = 320 }) {
  const [pair, setPair] = useState(/** @type {Pair | null} */ (null));
  const [wrong, setWrong] = useState("");
  const [moved, setMoved] = useState(/** @type {Point | null} */ (null));
  const [unit, setUnit] = useState(false);
  const [width, setWidth] = useState(520);
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const drawing = useRef(/** @type {SVGSVGElement | null} */ (null));
  useEffect(() => watchSize(frame, (wide) => setWidth(Math.max(260, wide))), []);
  useEffect(() => {
    if (!u || !v) return;
    asked
      .run((signal) => ask("/pair", { t, u, v }, { signal }))
      .then((found) => {
        if (!found) return;
        setPair(found);
        setMoved(null);
        setWrong("");
      })
      .catch((error) => setWrong(error.message));
  }, [t, u, v]);

  const shape = useMemo(() => {
    if (!pair) return null;
    const length = unit ? (pair.norm_u ? 1 : 0) : pair.norm_u;
    const size = unit ? (pair.norm_v ? 1 : 0) : pair.norm_v;
    const angle = pair.angle ?? 0;
    const own = { x: size * Math.cos(angle), y: size * Math.sin(angle) };
    return { length, own, paper: fitted([{ x: 0, y: 0 }, { x: length, y: 0 }, own, { x: own.x, y: 0 }], width, height) };
  }, [pair, width, height, unit]);

  if (wrong) return html`<p class="empty-note">${wrong}</p>`;
  const ready = pair && shape;
  const tip = ready ? (moved ?? shape.own) : { x: 0, y: 0 };
  const now = ready ? measured(shape.length, tip) : null;
  const still = ready && !moved && !unit;
  const values = still ? { ...now, ...pair } : now;

  /** @param {Point} to */
  const put = (to) => {
    if (!ready) return;
    const { scale, origin } = shape.paper;
    const limit = (/** @type {number} */ value, /** @type {number} */ low, /** @type {number} */ high) => Math.min(high, Math.max(low, value));
    setMoved({ x: limit(to.x, (8 - origin.x) / scale, (width - 8 - origin.x) / scale), y: limit(to.y, (origin.y - height + 8) / scale, (origin.y - 8) / scale) });
  };
  /** @param {PointerEvent} event */
  const drag = (event) => {
    if (!ready || !drawing.current) return;
    const box = drawing.current.getBoundingClientRect();
    const { scale, origin } = shape.paper;
    put({ x: (event.clientX - box.left - origin.x) / scale, y: (origin.y - event.clientY + box.top) / scale });
  };
  /** @param {number} turn @param {number} stretch */
  const turned = (turn, stretch) => {
    const [angle, size] = [Math.atan2(tip.y, tip.x) + turn, Math.hypot(tip.x, tip.y) * stretch];
    put({ x: size * Math.cos(angle), y: size * Math.sin(angle) });
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const step = (event.shiftKey ? 10 : 1) * (Math.PI / 180);
    const way = { ArrowLeft: [step, 1], ArrowRight: [-step, 1], ArrowUp: [0, 1.02], ArrowDown: [0, 1 / 1.02] }[event.key];
    if (event.key === "Escape") setMoved(null);
    else if (way) turned(way[0], way[1]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return html`<section class="card geometry" aria-labelledby="geometry-title">
    <div class="card-head">
      <h2 id="geometry-title">Geometry of the pair <span class="muted">Fig. 3, true to scale</span></h2>
      <div class="tools">
        <label class="switch"><input type="checkbox" checked=${unit} onChange=${() => { setUnit(!unit); setMoved(null); }} /> length 1</label>
        <button type="button" class="quiet" disabled=${!moved} onClick=${() => setMoved(null)}>Reset</button>
        <button type="button" class="quiet" onClick=${() => drawing.current && save(`${u} and ${v}.svg`, standalone(drawing.current), "image/svg+xml")}>SVG</button>
        <button type="button" class="quiet" onClick=${() => drawing.current && savePng(drawing.current, `${u} and ${v}.png`)}>PNG</button>
        ${ready && html`<${Command} title="The same pair" lines=${[
          `tokenspace measure ${quoted(u)} ${quoted(v)}${t ? ` -t ${quoted(t)}` : ""}`,
          `ts.compare(table.vector(${python(u)}), table.vector(${python(v)}))`,
        ]} />`}
      </div>
    </div>
    <div ref=${frame}></div>
    ${ready ? html`
      <${Drawing} svg=${drawing} width=${width} height=${height} shape=${shape} tip=${tip} values=${values} names=${[u, v]} moved=${moved} drag=${drag} pressed=${pressed} />
      <${Numbers} pair=${pair} values=${values} length=${shape.length} changed=${!still} unit=${unit} moved=${Boolean(moved)} />
    ` : html`<div class="waiting" style=${`height:${height + 150}px`}></div>`}
  </section>`;
}

/** @param {any} props */
function Drawing({ svg, width, height, shape, tip, values, names, moved, drag, pressed }) {
  const { at, scale } = shape.paper;
  const zero = at({ x: 0, y: 0 });
  const [u, v, foot] = [at({ x: shape.length, y: 0 }), at(tip), at({ x: tip.x, y: 0 })];
  const ghost = at(shape.own);
  const flat = Math.abs(v.y - zero.y) < 14;
  const up = v.y <= zero.y ? -1 : 1;
  const radius = Math.max(16, Math.min(46, 0.45 * Math.hypot(u.x - zero.x, u.y - zero.y), 0.45 * Math.hypot(v.x - zero.x, v.y - zero.y)));
  const angle = values.angle;
  const end = angle === null ? null : { x: zero.x + radius * Math.cos(angle), y: zero.y - radius * Math.sin(angle) };
  const half = angle === null ? 0 : angle / 2;
  const middle = { x: (u.x + v.x) / 2, y: (u.y + v.y) / 2 };
  const [dx, dy] = [v.x - u.x, v.y - u.y];
  const long = Math.hypot(dx, dy) || 1;
  const out = (middle.x - zero.x) * -dy + (middle.y - zero.y) * dx >= 0 ? 1 : -1; // to the side of the segment that the origin is not on
  const away = { x: (-dy / long) * out, y: (dx / long) * out };
  const under = zero.y - up * 12;
  const square = Math.abs(tip.x) * scale > 12 && Math.abs(v.y - zero.y) > 16 ? 7 : 0;
  const back = foot.x > zero.x ? -1 : 1;
  const degrees = angle === null ? "" : `${number(Math.abs((angle * 180) / Math.PI), 1)}°`;
  const description = `In the plane of u and v: u = ${names[0]} of length ${number(shape.length, 3)}; v = ${names[1]} of length ${number(values.norm_v, 3)}; distance between the tips ${number(values.euclidean, 3)}; projection of v on u ${number(values.projection, 3)}; angle ${degrees || "undefined"}.`;
  return html`<svg ref=${svg} class="fig" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} data-scale=${scale} role="group" aria-label=${description}>
    <g class="halo">
      <line class="axis" x1=${Math.min(zero.x, u.x, foot.x) - 16} x2=${Math.max(zero.x, u.x, foot.x) + 16} y1=${zero.y} y2=${zero.y} />
      ${moved && html`<line class="ghost" x1=${zero.x} y1=${zero.y} x2=${ghost.x} y2=${ghost.y} />`}
      <line class="drop" x1=${v.x} y1=${v.y} x2=${foot.x} y2=${under} />
      ${square > 0 && html`<path class="square" d=${`M${foot.x + back * square},${zero.y}v${up * square}h${-back * square}`} />`}
      <line class="projection" data-part="projection" x1=${zero.x} x2=${foot.x} y1=${under} y2=${under} />
      ${end && html`<path class="angle" d=${`M${zero.x + radius},${zero.y}A${radius},${radius} 0 0 ${angle < 0 ? 1 : 0} ${end.x},${end.y}`} />`}
      <line class="distance" data-part="distance" x1=${u.x} y1=${u.y} x2=${v.x} y2=${v.y} />
      <${Arrow} from=${zero} to=${u} part="u" /><${Arrow} from=${zero} to=${v} part="v" />
      <circle class="origin" cx=${zero.x} cy=${zero.y} r="2.5" />
    </g>
    <g class="labels">
      <${Name} letter="u" text=${names[0]} x=${u.x} y=${u.y + (up < 0 ? 38 : -28)} width=${width} />
      <${Name} letter="v" text=${names[1]} x=${v.x} y=${v.y + (up < 0 ? -20 : 31)} width=${width} />
      ${long > 18 && !flat && html`<text class="t-distance" x=${middle.x + away.x * 12} y=${middle.y + away.y * 16 + 4} text-anchor=${away.x > 0.3 ? "start" : away.x < -0.3 ? "end" : "middle"}>${number(values.euclidean, 3)}</text>`}
      ${values.projection !== null && html`<text class="t-projection" x=${Math.abs(foot.x - zero.x) < 60 ? Math.min(zero.x, foot.x) - 8 : (zero.x + foot.x) / 2} y=${under - up * 4 + (up < 0 ? 12 : -2)} text-anchor=${Math.abs(foot.x - zero.x) < 60 ? "end" : "middle"}>${number(values.projection, 3)}</text>`}
      ${end && !flat && html`<text class="t-angle" x=${zero.x + (radius + 10) * Math.cos(half)} y=${zero.y - (radius + 10) * Math.sin(half) + 4} text-anchor=${Math.cos(half) > 0.2 ? "start" : "middle"}>${degrees}</text>`}
    </g>
    <circle
      class="handle"
      data-handle
      cx=${v.x}
      cy=${v.y}
      r="13"
      tabindex="0"
      role="slider"
      aria-label="Tip of v. Left and right turn it, up and down stretch it, Escape puts it back."
      aria-valuemin="-180"
      aria-valuemax="180"
      aria-valuenow=${angle === null ? 0 : Math.round((angle * 180) / Math.PI)}
      aria-valuetext=${`distance ${number(values.euclidean, 3)}, inner product ${number(values.inner_product, 3)}, cosine ${number(values.cosine, 3)}`}
      onKeyDown=${pressed}
      onPointerDown=${(/** @type {PointerEvent} */ event) => { /** @type {Element} */ (event.target).setPointerCapture(event.pointerId); drag(event); }}
      onPointerMove=${(/** @type {PointerEvent} */ event) => event.buttons && drag(event)}
    />
  </svg>`;
}

/** A name at a tip, kept on the paper. @param {{letter: string, text: string, x: number, y: number, width: number}} props */
function Name({ letter, text, x, y, width }) {
  const whole = visible(text);
  const short = whole.length > 26 ? `${whole.slice(0, 25)}…` : whole;
  const half = 4.2 * (short.length + 3);
  const anchor = x + half > width - 4 ? "end" : x - half < 4 ? "start" : "middle";
  return html`<text class="name" x=${anchor === "end" ? width - 4 : anchor === "start" ? 4 : x} y=${y} text-anchor=${anchor}><tspan class="var">${letter}</tspan> ${short}</text>`;
}

/** @param {{from: Point, to: Point, part: string}} props */
function Arrow({ from, to, part }) {
  const long = Math.hypot(to.x - from.x, to.y - from.y);
  if (long < 1) return html`<circle class="vector-dot" cx=${to.x} cy=${to.y} r="4" data-part=${part} />`;
  const [x, y] = [(to.x - from.x) / long, (to.y - from.y) / long];
  const head = Math.min(10, long * 0.6);
  const base = { x: to.x - head * x, y: to.y - head * y };
  return html`<g class="vector">
    <line data-part=${part} x1=${from.x} y1=${from.y} x2=${to.x} y2=${to.y} />
    <path d=${`M${to.x},${to.y}L${base.x - head * 0.42 * y},${base.y + head * 0.42 * x}L${base.x + head * 0.42 * y},${base.y - head * 0.42 * x}Z`} />
  </g>`;
}

/** The measures now and, where v was moved, before; and the identity with its numbers. @param {any} props */
function Numbers({ pair, values, length, changed, unit, moved }) {
  const rows = [
    { letter: "e", mark: "M1,9L13,2", name: "Euclidean distance", formula: "‖u − v‖", now: values.euclidean, was: pair.euclidean },
    { letter: "i", mark: "M1,8H13M13,1V8", name: "Inner product", formula: "⟨u, v⟩", now: values.inner_product, was: pair.inner_product },
    { letter: "c", mark: "M12,9A10,10 0 0 0 7,2", name: "Cosine similarity", formula: "⟨u, v⟩ / (‖u‖‖v‖)", now: values.cosine, was: pair.cosine },
  ];
  const [a, b, c] = [length * length, values.norm_v * values.norm_v, values.inner_product];
  const left = changed ? values.euclidean ** 2 : pair.identity_left;
  const right = changed ? a + b - 2 * c : pair.identity_right;
  return html`<div class="numbers">
    <table>
      <caption class="sr">The three measures of the pair</caption>
      <thead class="sr"><tr><th scope="col">measure</th><th scope="col">formula</th><th scope="col">value</th>${changed && html`<th scope="col">of the table's rows</th>`}</tr></thead>
      <tbody>
        ${rows.map((row) => html`<tr key=${row.letter}>
          <th scope="row" class=${`m-${row.letter}`}><svg class="glyph" width="14" height="11" aria-hidden="true"><path d=${row.mark} /></svg>${row.name}</th>
          <td class="formula">${row.formula}</td>
          <td class=${`value m-${row.letter}`} data-measure=${row.letter}>${number(row.now)}</td>
          ${changed && html`<td class="was">was ${number(row.was)}</td>`}
        </tr>`)}
      </tbody>
    </table>
    <p class="identity" aria-label="The identity, equation 12">
      <span class="eq">(12)</span>
      <span class="m-e">‖u − v‖²</span> = ‖u‖² + ‖v‖² − 2<span class="m-i">⟨u, v⟩</span><br />
      <span class="m-e">${number(left)}</span> = ${number(a)} + ${number(b)} − 2 · <span class="m-i">${number(c)}</span> = ${number(right)}
    </p>
    ${unit && html`<p class="muted small">Both vectors brought to length 1: the squared distance is 2 − 2 cos, so distance, product and cosine rank alike. The lists beside are those of the rows as they are.</p>`}
    ${moved && html`<p class="muted small">v is where you put it, not a row of the table. Reset, or Escape, puts it back.</p>`}
  </div>`;
}
