// The map beside the lists: where the neighbours of the moment are, among all rows.
import { column } from "../api.js";
import { settled, show, table } from "../state.js";
import { MEASURES, html, percent, reference, useEffect, useState } from "../ui.js";
import { MapCanvas } from "./canvas.js";

/** Where the rows of each list are, and the query's own. @returns {import("./canvas.js").Mark[]} */
export function marksOf() {
  const found = settled.value;
  if (!found) return [];
  return [
    ...found.terms.map((term) => ({ ...term, letter: "q" })),
    ...MEASURES.flatMap(({ key, letter }) => found.neighbours[key].slice(0, 40).map((row) => ({ id: row.id, token: row.token, letter }))),
  ];
}

export function SmallMap() {
  const one = table.value;
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const name = one?.name ?? "";
  useEffect(() => {
    const stop = new AbortController();
    setFound(null);
    column("/map", { t: name, method: "pca" }, stop.signal).then(
      ({ header, data }) => setFound({ header, places: new Uint16Array(data) }),
      (error) => stop.signal.aborted || setWrong(error.message),
    );
    return () => stop.abort();
  }, [name]);
  const share = found?.header.share?.map((/** @type {number | null} */ value) => value ?? 0);
  return html`<section class="card small-map" aria-labelledby="small-map-title">
    <div class="card-head">
      <h2 id="small-map-title">Map <span class="muted">principal axes</span></h2>
      <div class="tools"><button type="button" class="quiet" onClick=${() => show({ view: "map" }, { push: true })}>Open the map</button></div>
    </div>
    ${wrong ? html`<p class="empty-note">${wrong}</p>` : found ? html`<${MapCanvas} key=${name} t=${name} places=${found.places} marks=${marksOf()} height=${320} most=${34} wheel=${false}
      label="Map of all rows; the lists hold everything that it shows."
      onPick=${(/** @type {number} */ id, /** @type {string} */ token) => show({ v: reference(token, id) })} />` : html`<div class="waiting" style="height:320px"></div>`}
    <p class="map-note"><span class="m-e">○ Euclid</span> <span class="m-i">◯ inner product</span> <span class="m-c">◯ cosine</span>${share ? html` · 2 of ${one?.d} axes hold ${percent(share[0] + share[1])} of the variance: a picture, not a measure` : ""}</p>
  </section>`;
}
