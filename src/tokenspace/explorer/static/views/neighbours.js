// The first view: three exact lists side by side, joined by threads that show where each row stands under the next measure.
import { csv, save } from "../exports.js";
import { MEASURES, Token, count, afterPaint, html, number, python, quoted, reference, useEffect, useState, visible } from "../ui.js";
import { agreement, answer, busy, chosen, hovered, k, look, problem, second, self, settled, show, table } from "../state.js";
import { Command } from "./command.js";
import { Geometry } from "./geometry.js";

/** @typedef {import("../state.js").Answer} Answer @typedef {import("../state.js").Neighbour} Neighbour */

const ROW = 31;
const EXAMPLES = ["king", "king - man + woman", "paris - france + japan", "bank", "we"];

export function Neighbours() {
  const one = table.value;
  const found = answer.value;
  const [picture, setPicture] = useState(/** @type {any} */ (null));
  const ready = Boolean(found);
  useEffect(() => {
    if (ready) afterPaint(() => import("../map/small.js").then((module) => setPicture(() => module.SmallMap)), 60);
  }, [ready]);
  if (!one) return null;
  return html`<div class="page neighbours">
    <div class="lists-side">
      ${problem.value ? html`<${Problem} />` : found ? html`<${Lists} found=${found} />` : html`<div class="waiting" style="height: 480px"></div>`}
    </div>
    <div class="pair-side">
      <${PairSide} t=${one.name} />
    </div>
    ${picture && found && html`<div class="wide-side"><${picture} /></div>`}
  </div>`;
}

/** Renders by itself, when the lists are painted. @param {{t: string}} props */
function PairSide({ t }) {
  const found = settled.value;
  return found && second.value ? html`<${Geometry} t=${t} u=${found.query} v=${second.value} />` : null;
}

function Problem() {
  const wrong = problem.value;
  const offers = [...(wrong?.hint ?? "").matchAll(/'([^']*)'/g)].map((found) => found[1]);
  return html`<div class="card problem" role="alert">
    <h2>${wrong?.message}</h2>
    ${offers.length > 0 ? html`<p>Did you mean ${offers.map((token, i) => html`${i > 0 && ", "}<button type="button" class="link" onClick=${() => look(token)}><${Token} token=${token} /></button>`)}?</p>` : html`<p class="muted">${wrong?.hint}</p>`}
    <p class="muted">The box takes a token, sums and differences such as <em>king - man + woman</em>, a row as <em>#12</em>, or a vector in brackets.</p>
  </div>`;
}

/** @param {{found: Answer}} props */
function Lists({ found }) {
  const one = table.value;
  const said = agreement(found);
  const long = Math.max(said.long, 1);
  const known = EXAMPLES.filter((text) => text !== found.query && one && (one.opening === "king" || one.first.includes(text)));
  const ts = `table.nearest(${python(found.query)}, k=${found.k}`;
  return html`<section class="card lists" aria-labelledby="lists-title" aria-busy=${busy}>
    <div class="card-head">
      <h1 id="lists-title">Nearest to <span class="query"><${Token} token=${found.query} /></span></h1>
      <div class="tools">
        <label>k <input type="number" class="k" min="1" max="200" value=${k.value} onChange=${(/** @type {Event} */ event) => show({ k: /** @type {HTMLInputElement} */ (event.target).value })} /></label>
        <label class="switch"><input type="checkbox" checked=${self.value} onChange=${() => show({ self: self.peek() ? "" : "1" })} /> own rows too</label>
        <button type="button" class="quiet" onClick=${() => save(`${found.query}.csv`, csv(COLUMNS, everyRow(found)), "text/csv;charset=utf-8")}>CSV</button>
        <button type="button" class="quiet" onClick=${() => save(`${found.query}.json`, `${JSON.stringify({ table: found.table, query: found.query, neighbours: found.neighbours }, null, 2)}\n`, "application/json")}>JSON</button>
        <${Command} title="The same lists" lines=${[
          `tokenspace near ${quoted(found.query)} -k ${found.k}${self.value ? " --include-query" : ""} -t ${quoted(one?.argument ?? found.table)}`,
          `table = ts.open(${python(one?.argument ?? found.table)}); ${ts}, measure="euclidean")`,
        ]} />
      </div>
    </div>
    <${Agreement} found=${found} said=${said} />
    <div class="three" style=${`--row:${ROW}px`}>
      ${MEASURES.map((measure, index) => html`
        ${index > 0 && html`<${Threads} key=${`threads-${measure.key}`} left=${found.neighbours[MEASURES[index - 1].key]} right=${found.neighbours[measure.key]} rows=${long} times=${said.times} />`}
        <${List} key=${measure.key} measure=${measure} found=${found} times=${said.times} lists=${said.lists} />`)}
    </div>
    ${known.length > 0 && html`<p class="examples muted">Try ${known.map((text, i) => html`${i > 0 && " · "}<button type="button" class="link" onClick=${() => look(text)}>${text}</button>`)}</p>`}
  </section>`;
}

/** @param {{found: Answer, said: ReturnType<typeof agreement>}} props */
function Agreement({ found, said }) {
  const one = table.value;
  if (said.lists < 2) return html`<p class="agreement">The vector is zero, which has no direction: the cosine is not defined (Definition 5.3).</p>`;
  const two = said.rows - said.all - said.only;
  const zero = found.undefined.length > 0;
  const part = (/** @type {number} */ size) => `flex:${size} 0 0`;
  return html`<div class="agreement">
    <p role="status"><b>${said.all}</b> of ${said.long} rows stand in all ${said.lists === 3 ? "three" : "two"} lists, <b>${said.only}</b> in one only.
      ${zero && html`<br />The vector is zero, which has no direction: its cosine is not defined (Definition 5.3).`}
      <span class="muted"> Exact, over all ${one ? count(one.n) : ""} rows.</span></p>
    <div class="share" aria-hidden="true">
      ${said.all > 0 && html`<span class="all" style=${part(said.all)}></span>`}
      ${two > 0 && html`<span class="two" style=${part(two)}></span>`}
      ${said.only > 0 && html`<span class="only" style=${part(said.only)}></span>`}
    </div>
    <p class="legend muted"><span class="mark all">●</span> in all lists <span class="mark only">○</span> here only <span class="sep">·</span> small figures: the rank under the other two measures</p>
  </div>`;
}

/** The lines between two lists. @param {{left: Neighbour[], right: Neighbour[], rows: number, times: Map<number, number>}} props */
function Threads({ left, right, rows, times }) {
  const at = new Map(right.map((row, index) => [row.id, index]));
  const y = (/** @type {number} */ index) => ROW * (index + 0.5);
  return html`<svg class="threads" viewBox=${`0 0 40 ${rows * ROW}`} preserveAspectRatio="none" height=${rows * ROW} aria-hidden="true">
    ${left.map((row, index) => {
      const other = at.get(row.id);
      if (other === undefined) return null;
      const lit = hovered.value === row.id ? "lit" : chosen.value === row.id ? "chosen" : times.get(row.id) === 3 ? "all" : "";
      return html`<path class=${lit} vector-effect="non-scaling-stroke" d=${`M0,${y(index)}C18,${y(index)} 22,${y(other)} 40,${y(other)}`} />`;
    })}
  </svg>`;
}

/** Rows have no keys: another answer is written into the elements that are there. @param {{measure: import("../ui.js").MeasureName, found: Answer, times: Map<number, number>, lists: number}} props */
function List({ measure, found, times, lists }) {
  const rows = found.neighbours[measure.key];
  const others = MEASURES.filter((one) => one.key !== measure.key);
  return html`<table class=${`list m-${measure.letter}`} data-measure=${measure.key}>
    <caption><b>${measure.title}</b> <span class="eq">${measure.equation}</span></caption>
    <colgroup><col /><col class="c-value" /><col class="c-norm" /><col class="c-ranks" /></colgroup>
    <thead><tr>
      <th scope="col">token</th><th scope="col" class="n">${measure.score}</th><th scope="col" class="n norm">norm</th>
      <th scope="col" class="n ranks"><abbr title=${`rank by ${others[0].title} and by ${others[1].title}`}><span class=${`m-${others[0].letter}`}>${others[0].short}</span>/<span class=${`m-${others[1].letter}`}>${others[1].short}</span></abbr></th>
    </tr></thead>
    <tbody>
      ${rows.map((row, index) => {
        const everywhere = times.get(row.id) === lists;
        const alone = times.get(row.id) === 1;
        const name = `${row.rank}. ${visible(row.token)}: ${measure.title} ${number(row.score)}${everywhere ? ", in all lists" : alone ? ", in this list only" : ""}`;
        return html`<tr
          class=${[hovered.value === row.id ? "lit" : "", chosen.value === row.id ? "chosen" : ""].join(" ")}
          onPointerEnter=${() => (hovered.value = row.id)}
          onPointerLeave=${() => (hovered.value = null)}
        >
          <th scope="row"><button
            type="button"
            class="pick"
            data-place=${index}
            aria-pressed=${chosen.value === row.id ? "true" : "false"}
            aria-label=${name}
            title=${`${visible(row.token)} · click: its geometry · double-click: its neighbours`}
            onClick=${() => show({ v: reference(row.token, row.id) })}
            onDblClick=${() => look(reference(row.token, row.id))}
            onFocus=${() => (hovered.value = row.id)}
            onBlur=${() => (hovered.value = null)}
            onKeyDown=${moveAmong}
          ><span class=${everywhere ? "mark all" : alone ? "mark only" : "mark"} aria-hidden="true">${everywhere ? "●" : alone ? "○" : ""}</span><${Token} token=${row.token} /></button></th>
          <td class="n value">${number(row.score, measure.key === "cosine" ? 4 : 3)}</td>
          <td class="n norm">${number(row.norm, 2)}</td>
          <td class="n ranks">${others.map((one, i) => html`${i > 0 && html`<span class="slash">/</span>`}<span class=${`m-${one.letter}${row.ranks[one.key] > found.k ? " far" : ""}`}>${rank(row.ranks[one.key])}</span>`)}</td>
        </tr>`;
      })}
      ${rows.length === 0 && html`<tr><td colspan="4" class="muted">not defined for a zero vector</td></tr>`}
    </tbody>
  </table>`;
}

/** A rank in little room. @param {number} place */
const rank = (place) => (place < 10_000 ? String(place) : place < 1_000_000 ? `${Math.floor(place / 1000)}k` : `${Math.floor(place / 1e6)}M`);

/** Arrows go from row to row and from list to list; Shift+Enter asks for the row's own neighbours. @param {KeyboardEvent} event */
function moveAmong(event) {
  const here = /** @type {HTMLElement} */ (event.currentTarget);
  if (event.key === "Enter" && event.shiftKey) {
    here.dispatchEvent(new MouseEvent("dblclick", { bubbles: true }));
    event.preventDefault();
    return;
  }
  const lists = [.../** @type {Element} */ (here.closest(".three")).querySelectorAll("table.list")];
  const list = lists.indexOf(/** @type {Element} */ (here.closest("table")));
  const at = Number(here.dataset.place);
  const [column, row] = { ArrowUp: [list, at - 1], ArrowDown: [list, at + 1], ArrowLeft: [list - 1, at], ArrowRight: [list + 1, at], Home: [list, 0], End: [list, 1e9] }[event.key] ?? [-1, 0];
  const buttons = lists[column]?.querySelectorAll("button.pick");
  if (!buttons?.length) return;
  event.preventDefault();
  /** @type {HTMLElement} */ (buttons[Math.max(0, Math.min(buttons.length - 1, row))]).focus();
}

const COLUMNS = ["query", "measure", "rank", "token", "id", "score", "norm", "rank_euclidean", "rank_inner_product", "rank_cosine"];

/** @param {Answer} found @returns {(string | number)[][]} */
function everyRow(found) {
  return MEASURES.flatMap(({ key }) =>
    found.neighbours[key].map((row) => [found.query, key, row.rank, row.token, row.id, row.score, row.norm, row.ranks.euclidean, row.ranks.inner_product, row.ranks.cosine]),
  );
}
