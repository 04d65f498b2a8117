// Two tables: whose neighbours changed, which rows moved, what is new, and the proof of what stayed.
import { ask, latest } from "../api.js";
import { csv, save } from "../exports.js";
import { MEASURES, Token, count, html, number, percent, quoted, useEffect, useState } from "../ui.js";
import { answer, look, opening, place, show, world } from "../state.js";
import { Command } from "./command.js";

const whole = latest();
const pair = latest();

export function Compare() {
  const tables = world.value?.tables ?? [];
  const a = tables.find((one) => one.name === place.value.a) ?? tables[0];
  const b = tables.find((one) => one.name === place.value.b) ?? tables.find((one) => one !== a) ?? tables[1];
  const measure = MEASURES.find((one) => one.key === place.value.m) ?? MEASURES[2];
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [sides, setSides] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const text = place.value.q || answer.value?.query || (a ? opening(a) : "");
  const two = tables.length > 1 && a !== b;
  useEffect(() => {
    if (!two) return;
    setFound(null);
    whole.run((signal) => ask("/compare", { a: a.name, b: b.name, measure: measure.key }, { signal })).then((next) => next && setFound(next), (error) => setWrong(error.message));
  }, [a?.name, b?.name, measure.key]);
  useEffect(() => {
    if (!two || !text) return;
    pair.run((signal) => ask("/compare/near", { a: a.name, b: b.name, q: text, measure: measure.key, k: 12 }, { signal })).then((next) => next && setSides(next), (error) => setWrong(error.message));
  }, [a?.name, b?.name, measure.key, text]);
  if (tables.length < 2)
    return html`<section class="card practice-card"><h1>Compare two tables</h1><p style="margin-top:10px">Start the explorer with two, before and after an extension or training, or two models; their vocabularies may differ:</p><p style="margin-top:10px"><code>tokenspace explore ${quoted(tables[0]?.argument ?? "before")} OTHER</code></p></section>`;
  const pick = (/** @type {string} */ label, /** @type {string} */ key, /** @type {any} */ value) => html`<label class="field">${label}<select value=${value?.name} onChange=${(/** @type {Event} */ event) => show({ [key]: /** @type {HTMLSelectElement} */ (event.target).value }, { push: true })}>${tables.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}</select></label>`;
  return html`<div class="page compare">
    <section class="card" aria-labelledby="compare-title">
      <div class="card-head"><h1 id="compare-title">Two tables</h1><div class="tools">${found && html`<button type="button" class="quiet" onClick=${() => save(`${a.name} and ${b.name}.json`, JSON.stringify(found, null, 2), "application/json")}>JSON</button>`}
        <${Command} title="The proof on the command line" lines=${[`tokenspace diff ${quoted(a.argument)} ${quoted(b.argument)}`]} /></div></div>
      <div class="map-head">${pick("A", "a", a)}${pick("B", "b", b)}<label class="field">measure<select value=${measure.key} onChange=${(/** @type {Event} */ event) => show({ m: /** @type {HTMLSelectElement} */ (event.target).value })}>${MEASURES.map((one) => html`<option key=${one.key} value=${one.key}>${one.title}</option>`)}</select></label></div>
      ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
      ${found ? html`<${Overview} found=${found} />` : two ? html`<div class="waiting" style="height:320px"></div>` : html`<p class="empty-note">Choose two different tables.</p>`}
    </section>
    <div class="stack">
      ${sides && html`<${Sides} sides=${sides} measure=${measure} />`}
      ${found && html`<${Changed} found=${found} />`}
    </div>
  </div>`;
}

/** @param {{found: any}} props */
function Overview({ found }) {
  const most = Math.max(1, ...found.overlap);
  const proof = found.proof;
  const kept = proof.possible && proof.identical === proof.shared;
  return html`<div class="counts"><div><b>${count(found.both)}</b>tokens in both</div><div><b>${count(found.only_a.count)}</b>only in A</div><div><b>${count(found.only_b.count)}</b>only in B</div></div>
    <div class=${kept ? "proof" : "proof no"} style="margin-top:16px"><p class=${kept ? "lock" : ""}>${kept ? "✓ " : ""}${proof.text}</p>${proof.extension !== undefined && html`<p class="muted">${proof.extension ? "B is A with rows added: proved byte for byte." : "B begins with A's tokens, but rows changed."}</p><p class="muted digest">SHA-256 of A's rows ${proof.digest}</p>`}</div>
    ${found.sampled > 0 && html`<h2 style="margin-top:18px">How many of ${found.wanted} neighbours stay</h2>
      <p class="muted small">the first ${count(found.sampled)} shared tokens, among shared tokens only; ${number(found.mean_overlap, 2)} on average</p>
      <div class="bars" role="img" aria-label=${`Tokens by neighbours kept: ${found.overlap.map((/** @type {number} */ size, /** @type {number} */ kept2) => `${kept2}: ${size}`).join(", ")}`}>${found.overlap.map((/** @type {number} */ size, /** @type {number} */ index) => html`<div key=${index}><i style=${`height:${(84 * size) / most}%`} title=${`${count(size)} tokens keep ${index}`}></i>${index}</div>`)}</div>`}
    ${found.only_b.count > 0 && html`<h2 style="margin-top:14px">New in B</h2><p class="words">${found.only_b.tokens.map((/** @type {string} */ token) => html`<button type="button" class="link" key=${token} onClick=${() => look(token)}><${Token} token=${token} /></button>`)}</p>`}
    ${found.only_a.count > 0 && html`<h2 style="margin-top:14px">Only in A</h2><p class="words">${found.only_a.tokens.map((/** @type {string} */ token) => html`<span key=${token}><${Token} token=${token} /></span>`)}</p>`}`;
}

/** @param {{sides: any, measure: any}} props */
function Sides({ sides, measure }) {
  return html`<section class="card" aria-labelledby="sides-title">
    <div class="card-head"><h2 id="sides-title">Nearest to <${Token} token=${sides.query} /> <span class="muted">by ${measure.title.toLowerCase()}; ${sides.overlap} in both lists</span></h2>
      <div class="tools"><button type="button" class="quiet" onClick=${() => save(`${sides.query} compared.csv`, csv(["side", "rank", "token", "id", "score", "in_other_list", "other_has_token"], ["a", "b"].flatMap((side) => (sides[side].rows ?? []).map((/** @type {any} */ row, /** @type {number} */ i) => [side, i + 1, row.token, row.id, row.score, String(row.other), String(row.known)]))), "text/csv;charset=utf-8")}>CSV</button></div></div>
    <div class="two-lists">${["a", "b"].map((side) => html`<table class=${`list m-${measure.letter}`} key=${side} style="--row:30px"><caption><b>${side.toUpperCase()}</b> <span class="muted">${sides[side].table}</span></caption>
      <colgroup><col /><col class="c-value" /></colgroup><thead><tr><th scope="col">token</th><th scope="col" class="n">${measure.score}</th></tr></thead>
      <tbody>${sides[side].error ? html`<tr><td colspan="2" style="white-space:normal" class="muted">${sides[side].error}</td></tr>` : sides[side].rows.map((/** @type {any} */ row) => html`<tr key=${row.id}><th scope="row"><button type="button" class="pick" onClick=${() => look(row.token)}><span class=${row.other ? "mark all" : "mark only"} aria-hidden="true">${row.other ? "●" : "○"}</span><${Token} token=${row.token} />${!row.known && html`<span class="tag new">not in ${side === "a" ? "B" : "A"}</span>`}<span class="sr">${row.other ? ", in both lists" : ", in this list only"}</span></button></th><td class="n value">${number(row.score, 4)}</td></tr>`)}</tbody></table>`)}</div>
  </section>`;
}

/** @param {{found: any}} props */
function Changed({ found }) {
  const moved = found.moved;
  return html`<section class="card" aria-labelledby="changed-title"><h2 id="changed-title">What changed most</h2>
    <div class="two-lists" style="margin-top:8px"><div><h3>fewest neighbours kept</h3>${found.changed.length ? html`<p class="words">${found.changed.map((/** @type {any} */ row) => html`<span key=${row.token}><button type="button" class="link" onClick=${() => look(row.token)}><${Token} token=${row.token} /></button> <span class="muted small">${row.kept}/${found.wanted}</span></span>`)}</p>` : html`<p class="muted">Every one keeps all its neighbours.</p>`}</div>
    <div><h3>rows that moved the farthest</h3>${moved === null ? html`<p class="muted">The tables have different d: no distance between their rows exists.</p>` : moved.rows.length ? html`<p class="muted small">${count(moved.moved)} rows moved (${percent(moved.moved / Math.max(1, found.both))})</p><p class="words">${moved.rows.map((/** @type {any} */ row) => html`<span key=${row.token}><button type="button" class="link" onClick=${() => look(row.token)}><${Token} token=${row.token} /></button> <span class="muted small">${number(row.distance, 3)}</span></span>`)}</p>` : html`<p class="muted">None of the shared rows moved.</p>`}</div></div></section>`;
}
