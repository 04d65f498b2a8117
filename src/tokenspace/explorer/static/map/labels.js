// Names on the map: few enough to read, none over another, those that matter first.
import { visible } from "../ui.js";

/** @typedef {{id: number, x: number, y: number, hit: boolean}} Spot */

const CELL = 96;
const EACH = 3;
const MOST = 180;

/** @typedef {import("./points.js").Camera} Camera */

/** @param {Camera} camera @param {number} width @param {number} height */
function onScreen(camera, width, height) {
  const [scale, left, top] = [camera.zoom / 65535, width / 2 - camera.x * camera.zoom, height / 2 + camera.y * camera.zoom];
  return { scale, left, top, inside: (/** @type {number} */ x, /** @type {number} */ y) => x > 4 && y > 8 && x < width - 4 && y < height - 4 };
}

/**
 * The first rows of each part of the view: in most tables the frequent ones.
 * @param {Uint16Array} places
 * @param {Camera} camera
 * @param {number} width @param {number} height
 * @returns {number[]}
 */
export function first(places, camera, width, height) {
  const { scale, left, top, inside } = onScreen(camera, width, height);
  const columns = Math.ceil(width / CELL);
  const cells = new Uint8Array(columns * Math.ceil(height / CELL));
  /** @type {number[]} */
  const found = [];
  const most = Math.min(cells.length * EACH, MOST);
  for (let id = 0; 2 * id < places.length && found.length < most; id++) {
    const [x, y] = [left + places[2 * id] * scale, top - places[2 * id + 1] * scale];
    if (!inside(x, y)) continue;
    const cell = Math.floor(y / CELL) * columns + Math.floor(x / CELL);
    if (cells[cell] >= EACH) continue;
    cells[cell]++;
    found.push(id);
  }
  return found;
}

/**
 * Rows worth a name and where they are: those asked for, then the others.
 * @param {Uint16Array} places
 * @param {Camera} camera
 * @param {number} width @param {number} height
 * @param {number[]} wanted
 * @param {number[]} others
 * @returns {Spot[]}
 */
export function spotsOf(places, camera, width, height, wanted, others) {
  const { scale, left, top, inside } = onScreen(camera, width, height);
  const hits = new Set(wanted);
  return [...new Set([...wanted, ...others])]
    .filter((id) => 2 * id < places.length)
    .map((id) => ({ id, hit: hits.has(id), x: left + places[2 * id] * scale, y: top - places[2 * id + 1] * scale }))
    .filter((spot) => inside(spot.x, spot.y));
}

const paper = document.createElement("canvas").getContext("2d");

/**
 * Lay names beside their points so that no two overlap.
 * @param {Spot[]} spots
 * @param {Map<number, string>} names
 * @param {number} width @param {number} height
 * @param {number} most
 */
export function laid(spots, names, width, height, most) {
  /** @type {{x0: number, y0: number, x1: number, y1: number}[]} */
  const boxes = spots.filter((one) => one.hit).map((one) => ({ x0: one.x - 5, y0: one.y - 5, x1: one.x + 5, y1: one.y + 5 }));
  const free = (/** @type {{x0: number, y0: number, x1: number, y1: number}} */ b) =>
    b.x0 > 2 && b.y0 > 2 && b.x1 < width - 2 && b.y1 < height - 2 && !boxes.some((o) => b.x0 < o.x1 && o.x0 < b.x1 && b.y0 < o.y1 && o.y0 < b.y1);
  const out = [];
  for (const one of spots) {
    if (out.length >= most) break;
    const token = names.get(one.id);
    if (token === undefined) continue;
    const whole = visible(token);
    const text = whole.length > 24 ? `${whole.slice(0, 23)}…` : whole;
    if (paper) paper.font = `${one.hit ? "700 12.5px" : "12px"} system-ui, "DejaVu Sans", sans-serif`;
    const wide = paper ? paper.measureText(text).width : 7 * text.length;
    for (const [dx, dy, anchor] of /** @type {[number, number, "start" | "end" | "middle"][]} */ ([[7, 4, "start"], [-7, 4, "end"], [0, -8, "middle"], [0, 16, "middle"]])) {
      const x0 = one.x + dx - (anchor === "end" ? wide : anchor === "middle" ? wide / 2 : 0);
      const box = { x0: x0 - 2, y0: one.y + dy - 12, x1: x0 + wide + 2, y1: one.y + dy + 4 };
      if (!free(box)) continue;
      boxes.push(box);
      out.push({ id: one.id, hit: one.hit, text, x: one.x + dx, y: one.y + dy, anchor, box });
      break;
    }
  }
  return out;
}
