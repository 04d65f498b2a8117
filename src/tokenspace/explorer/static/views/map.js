// The map of all rows: by principal axes at once, by axes that tokens name, or as another package learns it.
import { ask, column } from "../api.js";
import { csv, save, savePng, standalone } from "../exports.js";
import { marksOf } from "../map/small.js";
import { MapCanvas, frames, namesOf } from "../map/canvas.js";
import { gradient, group } from "../map/palettes.js";
import { Token, count, html, number, percent, quoted, reference, useEffect, useRef, useState } from "../ui.js";
import { answer, look, place, show, table, world } from "../state.js";
import { Command } from "./command.js";

const METHODS = [["pca", "principal axes (PCA)"], ["axes", "axes named by tokens"], ["umap", "UMAP"], ["pacmap", "PaCMAP"], ["localmap", "LocalMAP"]];

export function MapView() {
  const one = table.value;
  const name = one?.name ?? "";
  const method = METHODS.some(([key]) => key === place.value.map) ? place.value.map : "pca";
  const [x, y] = [place.value.x || "he - she", place.value.y || "good - bad"];
  const colour = place.value.colour || "";
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [shades, setShades] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const [work, setWork] = useState(/** @type {any} */ (null));
  const [lasso, setLasso] = useState(false);
  const [picked, setPicked] = useState(/** @type {number[]} */ ([]));
  const [pickedNames, setPickedNames] = useState(/** @type {Map<number, string>} */ (new Map()));
  const holder = useRef(/** @type {HTMLElement | null} */ (null));
  const learnt = !["pca", "axes"].includes(method);
  const possible = world.value?.projections ?? {};

  useEffect(() => {
    const stop = new AbortController();
    /** @type {number} */
    let again = 0;
    setWrong("");
    setWork(null);
    const fetched = async () => {
      const { header, data } = await column("/map", { t: name, method, x, y }, stop.signal);
      frames.first = 0;
      setFound({ header, places: new Uint16Array(data), key: `${name} ${method} ${x} ${y}` });
      setPicked([]);
    };
    const follow = async () => {
      const state = await ask("/projection", { t: name, method }, { signal: stop.signal });
      setWork(state);
      if (state.state === "done") await fetched();
      else if (state.state === "working") again = setTimeout(() => follow().catch(failed), 600);
    };
    const failed = (/** @type {Error} */ error) => stop.signal.aborted || setWrong(error.message);
    (learnt ? follow() : fetched()).catch(failed);
    return () => {
      stop.abort();
      clearTimeout(again);
    };
  }, [name, method, method === "axes" ? x : "", method === "axes" ? y : "", work?.state === "begun"]);
  useEffect(() => {
    if (!colour) {
      setShades(null);
      return undefined;
    }
    const stop = new AbortController();
    column("/column", { t: name, name: colour }, stop.signal).then(({ header, data }) => setShades({ header, bytes: new Uint8Array(data) }), (error) => stop.signal.aborted || setWrong(error.message));
    return () => stop.abort();
  }, [name, colour]);
  useEffect(() => {
    if (picked.length) namesOf(name, picked.slice(0, 200)).then((known) => setPickedNames(new Map(known)), (error) => setWrong(error.message));
  }, [picked, name]);
  if (!one) return null;

  const begin = async () => {
    try {
      setWork(await ask("/projection", { t: name, method }, { post: true }));
      setWork((/** @type {any} */ last) => ({ ...last, state: "begun" }));
    } catch (error) {
      const { message, hint } = /** @type {{message: string, hint?: string}} */ (error);
      setWrong(hint ? `${message}: ${hint}` : message);
    }
  };
  const share = (found?.header.share ?? []).map((/** @type {number | null} */ value) => value ?? 0);
  const columns = { "": "one colour", norm: "norm", order: "order in the table", cluster: "cluster of directions", ...Object.fromEntries(one.columns.filter((each) => !["norm", "order", "cluster"].includes(each)).map((each) => [each, each])) };
  /** @param {(over: SVGSVGElement, points: HTMLCanvasElement) => void} taken */
  const picture = (taken) => {
    const points = holder.current?.querySelector("canvas");
    const over = /** @type {SVGSVGElement | null | undefined} */ (holder.current?.querySelector("svg.over"));
    if (points && over) taken(over, points);
  };
  const shown = shades && (!found || shades.bytes.length * 2 >= found.places.length) ? shades : null;

  return html`<div class="page map">
    <section class="card" aria-labelledby="map-title" ref=${holder}>
      <div class="card-head"><h1 id="map-title">Map of ${found ? count(found.places.length / 2) : count(one.n)} rows</h1>
        <div class="tools">
          <button type="button" class="quiet" aria-pressed=${lasso ? "true" : "false"} onClick=${() => setLasso(!lasso)}>${lasso ? "Lasso is on" : "Lasso"}</button>
          <button type="button" class="quiet" onClick=${() => setPicked(inView(holder.current, found))}>Take all in view</button>
          <button type="button" class="quiet" onClick=${() => picture((over, points) => save(`${name} ${method}.svg`, standalone(over, points), "image/svg+xml"))}>SVG</button>
          <button type="button" class="quiet" onClick=${() => picture((over, points) => savePng(over, `${name} ${method}.png`, points))}>PNG</button>
          ${method === "pca" ? html`<${Command} title="The same axes" lines=${[`python -c "import tokenspace as ts; from tokenspace.analysis.projection import principal_axes; print(principal_axes(ts.open(${quoted(one.argument)}).matrix).share)"`]} />` : null}
        </div>
      </div>
      <div class="map-head">
        <label class="field">Projection<select value=${method} onChange=${(/** @type {Event} */ event) => show({ map: /** @type {HTMLSelectElement} */ (event.target).value }, { push: true })}>
          ${METHODS.map(([key, title]) => html`<option key=${key} value=${key} disabled=${key in possible && !possible[key]}>${title}${key in possible && !possible[key] ? " (not installed)" : ""}</option>`)}</select></label>
        ${method === "axes" && html`<${Axis} title="across" value=${x} change=${(/** @type {string} */ text) => show({ x: text }, { push: true })} /><${Axis} title="up" value=${y} change=${(/** @type {string} */ text) => show({ y: text }, { push: true })} />`}
        <label class="field">Colour<select value=${colour} onChange=${(/** @type {Event} */ event) => show({ colour: /** @type {HTMLSelectElement} */ (event.target).value })}>${Object.entries(columns).map(([key, title]) => html`<option key=${key} value=${key}>${title}</option>`)}</select></label>
        ${learnt && work?.state !== "done" && html`<div class="field" style="min-width:220px"><span>${work?.state === "working" || work?.state === "begun" ? `${percent(work.done)} · ${number(work.seconds, 0)} s${work.left ? `, about ${number(work.left, 0)} s left` : ` · ${work.note}`}` : work?.state === "none" ? "not learnt yet" : work?.state === "failed" ? `failed: ${work.note}` : (work?.state ?? "")}</span>
          ${work?.state === "working" || work?.state === "begun" ? html`<span><progress max="1" value=${work.done > 0 ? work.done : undefined} aria-label="Learning the projection" title=${work.note}></progress><button type="button" class="quiet" onClick=${() => ask("/projection/stop", {}, { post: true })}>Stop</button></span>` : html`<button type="button" onClick=${begin}>Learn it${one.n > 50_000 ? " on the first 50,000 rows" : ""}</button>`}</div>`}
      </div>
      ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
      ${found ? html`<${MapCanvas} key=${found.key} t=${name} places=${found.places} shades=${shown?.bytes ?? null} header=${shown?.header ?? null} marks=${marksOf()} height=${Math.max(360, Math.min(720, innerHeight - 330))}
        lasso=${lasso} label=${`Map of ${count(found.places.length / 2)} rows.`} camera=${readCamera()} onCamera=${keepCamera}
        onPick=${(/** @type {number} */ id, /** @type {string} */ token) => look(reference(token, id))} onLasso=${(/** @type {number[]} */ ids) => { setPicked(ids); setLasso(false); }} />` : html`<div class="waiting" style="height:420px"></div>`}
      <p class="map-note">${found ? note(found.header, share, one.d) : ""} What is near here need not be near in the table: the lists measure, the map does not.</p>
    </section>
    <aside class="side" aria-label="Legend and selection">
      ${shown && html`<div class="card"><h2>${columns[/** @type {keyof typeof columns} */ (colour)] ?? colour}</h2><${Legend} header=${shown.header} name=${colour} /></div>`}
      <div class="card"><h2>Neighbours of ${answer.value ? html`<${Token} token=${answer.value.query} />` : "…"}</h2>
        <p class="map-note"><span class="m-e">○ Euclid</span> <span class="m-i">◯ inner product</span> <span class="m-c">◯ cosine</span><br />A click on a point asks for its neighbours. Drag to move, wheel or + − to zoom, Shift-drag for a lasso.</p></div>
      <div class="card"><h2>Taken: ${count(picked.length)} rows</h2>
        ${picked.length > 0 ? html`<ul class="picked">${picked.slice(0, 200).map((id) => html`<li key=${id}><button type="button" class="link" onClick=${() => look(reference(pickedNames.get(id) ?? "", id))}><${Token} token=${pickedNames.get(id) ?? `#${id}`} /></button></li>`)}</ul>
          ${picked.length > 200 && html`<p class="map-note">the first 200 are listed</p>`}
          <div class="tools"><button type="button" class="quiet" onClick=${() => saveTaken(name, picked)}>CSV</button><button type="button" class="quiet" onClick=${() => setPicked([])}>Let go</button></div>` : html`<p class="map-note">With the lasso, or all rows in view.</p>`}</div>
    </aside>
  </div>`;
}

/** @param {any} header @param {number[]} share @param {number} d */
function note(header, share, d) {
  if (header.method === "pca") return `Two of ${d} principal axes hold ${percent(share[0])} + ${percent(share[1])} = ${percent(share[0] + share[1])} of the variance.`;
  if (header.method === "axes") return `Across: ${header.axes[0]}, ${percent(share[0])} of the variance; up: ${header.axes[1]}, ${percent(share[1])}. The two directions meet at ${number(header.between_degrees, 1)}°; drawn at a right angle.`;
  return `${header.method} of ${count(header.shown)} rows. It keeps who is near to whom, and neither distances nor axes; no share of variance can be given.`;
}

/** @param {{title: string, value: string, change: (text: string) => void}} props */
function Axis({ title, value, change }) {
  return html`<label class="field">${title}<input type="text" value=${value} spellcheck=${false} onChange=${(/** @type {Event} */ event) => change(/** @type {HTMLInputElement} */ (event.target).value.trim())} /></label>`;
}

/** @param {{header: any, name: string}} props */
function Legend({ header, name }) {
  if (header.kind === "groups") return html`<div class="groups">${Array.from({ length: header.count }, (_, index) => html`<span key=${index}><i style=${`background:${group(index)}`}></i>${index + 1}</span>`)}</div><p class="map-note">Twelve groups of directions by spherical k-means, the largest first. k-means finds groups whether there are any or not.</p>`;
  const end = (/** @type {number} */ value) => (name === "order" ? `row ${count(Math.round(10 ** value) - 1)}` : number(value, 2));
  return html`<div class="scale" style=${`background:${gradient}`}></div><div class="ends"><span>${end(header.low)}</span><span>${end(header.high)}</span></div>${name === "order" ? html`<p class="map-note">The rank of frequency, in most tables; by powers of ten.</p>` : html`<p class="map-note">From the first to the last hundredth of the rows.</p>`}`;
}

function readCamera() {
  const [x, y, zoom] = (place.peek().cam ?? "").split("_").map(Number);
  return Number.isFinite(x) && Number.isFinite(y) && zoom >= 60 ? { x, y, zoom } : null;
}

let keeping = 0;
/** @param {import("../map/points.js").Camera} camera */
function keepCamera(camera) {
  clearTimeout(keeping);
  keeping = setTimeout(() => show({ cam: `${camera.x.toFixed(4)}_${camera.y.toFixed(4)}_${Math.round(camera.zoom)}` }), 400);
}

/** Rows whose points are on the canvas. @param {HTMLElement | null} holder @param {any} found */
function inView(holder, found) {
  const box = holder?.querySelector(".map-box");
  if (!box || !found) return [];
  const [width, height] = [box.clientWidth, box.clientHeight];
  const camera = readCamera() ?? { x: 0.5, y: 0.5, zoom: Math.min(width, height) * 0.96 };
  const ids = [];
  for (let id = 0; 2 * id < found.places.length; id++)
    if (Math.abs(found.places[2 * id] / 65535 - camera.x) * camera.zoom <= width / 2 && Math.abs(found.places[2 * id + 1] / 65535 - camera.y) * camera.zoom <= height / 2) ids.push(id);
  return ids;
}

/** @param {string} t @param {number[]} ids */
async function saveTaken(t, ids) {
  const kept = ids.slice(0, 20_000);
  for (let start = 0; start < kept.length; start += 200) await namesOf(t, kept.slice(start, start + 200));
  const names = await namesOf(t, []);
  save(`${t} taken${ids.length > kept.length ? `, the first ${kept.length} of ${ids.length}` : ""}.csv`, csv(["id", "token"], kept.map((id) => [id, names.get(id) ?? ""])), "text/csv;charset=utf-8");
}
