// Attention on a real Transformer: the scaled inner products between a sentence's tokens, and what the softmax makes of them.
import { ask, latest } from "../api.js";
import { csv, save, savePng, standalone } from "../exports.js";
import { html, number, python, useEffect, useRef, useState, visible } from "../ui.js";
import { place, show, world } from "../state.js";
import { Command } from "./command.js";

const asking = latest();
const SENTENCE = "The king of the hill sold his horse to the bank.";

export function Attention() {
  const possible = world.value?.attention;
  const text = place.value.text || SENTENCE;
  const layer = Number.parseInt(place.value.layer, 10) || 0;
  const head = place.value.head ? Number.parseInt(place.value.head, 10) : 0;
  const kind = place.value.show === "scores" ? "scores" : "weights";
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const [at, setAt] = useState(/** @type {[number, number] | null} */ (null));
  const drawing = useRef(/** @type {SVGSVGElement | null} */ (null));
  useEffect(() => {
    if (!possible?.possible) return;
    asking.run((signal) => ask("/attention", { text, layer, head }, { signal })).then((next) => { if (next) { setFound(next); setWrong(""); } }, (error) => setWrong(`${error.message} ${error.hint ?? ""}`));
  }, [text, layer, head]);
  if (!possible?.possible) return html`<section class="card practice-card"><h1>Attention</h1><p class="empty-note">${possible?.why_not}</p></section>`;
  const many = found?.tokens.length ?? 1;
  const side = Math.min(110, 24 + 7 * Math.max(...(found?.tokens ?? [""]).map((/** @type {string} */ token) => visible(token).length)));
  const cell = Math.max(20, Math.min(40, Math.floor((Math.min(innerWidth - 80, 730) - side) / many)));
  /** Arrow keys choose the cell that is read out. @param {KeyboardEvent} event */
  const pressed = (event) => {
    const [down, across] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [0, 0];
    if (!down && !across) return;
    event.preventDefault();
    const limited = (/** @type {number} */ place) => Math.max(0, Math.min(many - 1, place));
    setAt(at ? [limited(at[0] + down), limited(at[1] + across)] : [0, 0]);
  };
  const values = found?.[kind] ?? [];
  const flat = values.flat().filter((/** @type {number | null} */ value) => value !== null);
  const [low, high] = kind === "weights" ? [0, Math.max(0.001, ...flat)] : [Math.min(0, ...flat), Math.max(0, ...flat)];
  return html`<section class="card" aria-labelledby="attention-title">
    <div class="card-head"><h1 id="attention-title">Attention <span class="muted">⟨q, k⟩ / √d between the tokens of a sentence${found ? `, ${found.model}` : ""}</span></h1>
      <div class="tools">${found && html`<button type="button" class="quiet" onClick=${() => save("attention.csv", csv(["query", "key", "score", "weight"], found.tokens.flatMap((/** @type {string} */ q, /** @type {number} */ i) => found.tokens.map((/** @type {string} */ k, /** @type {number} */ j) => [q, k, found.scores[i][j], found.weights[i][j]]))), "text/csv;charset=utf-8")}>CSV</button>
        <button type="button" class="quiet" onClick=${() => drawing.current && save("attention.svg", standalone(drawing.current), "image/svg+xml")}>SVG</button><button type="button" class="quiet" onClick=${() => drawing.current && savePng(drawing.current, "attention.png")}>PNG</button>
        <${Command} title="The same in Python" lines=${[`from tokenspace.torch.attention import Reader; Reader(FOLDER).attention(${python(text)}).weights[${layer}, ${Math.max(0, head)}]`]} />`}</div></div>
    <form onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); show({ text: /** @type {HTMLInputElement} */ (/** @type {HTMLFormElement} */ (event.target).elements.namedItem("sentence")).value }, { push: true }); }}><label class="field">Sentence, at most 64 tokens<input class="sentence" name="sentence" type="text" value=${text} maxlength="600" spellcheck=${false} /></label></form>
    ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
    ${found ? html`<div class="attention-controls">
      <label class="field">Layer ${layer + 1} of ${found.layers}<input type="range" min="0" max=${found.layers - 1} value=${layer} onInput=${(/** @type {Event} */ event) => show({ layer: /** @type {HTMLInputElement} */ (event.target).value })} /></label>
      <label class="field">${head < 0 ? "Mean of the heads" : `Head ${head + 1} of ${found.heads}`}<input type="range" min="-1" max=${found.heads - 1} value=${head} onInput=${(/** @type {Event} */ event) => show({ head: /** @type {HTMLInputElement} */ (event.target).value })} /></label>
      <label class="field">Show<select value=${kind} onChange=${(/** @type {Event} */ event) => show({ show: /** @type {HTMLSelectElement} */ (event.target).value })}><option value="weights">weights, after the softmax</option><option value="scores">scaled inner products</option></select></label>
      <p class="reading" role="status">${at ? html`query <b>${visible(found.tokens[at[0]])}</b>, key <b>${visible(found.tokens[at[1]])}</b><br /><span class="m-i">⟨q, k⟩/√d = ${number(found.scores[at[0]][at[1]], 3)}</span>; it takes <span class="m-c">${number(100 * found.weights[at[0]][at[1]], 1)} %</span> from there` : html`<span class="muted">Each row is one token's query and sums to 1 after the softmax.<br />Choose a cell to read it, by pointer or arrow keys.</span>`}</p>
    </div>
    <div style="overflow-x:auto"><svg ref=${drawing} class="heat" tabindex="0" onKeyDown=${pressed} width=${side + cell * many + 8} height=${side + cell * many + 8} role="application" aria-label=${`Attention from ${many} tokens to each other, layer ${layer + 1}. Arrow keys choose a cell.`}>
      ${found.tokens.map((/** @type {string} */ token, /** @type {number} */ j) => html`<text key=${j} transform=${`translate(${side + cell * (j + 0.5) + 4} ${side - 8}) rotate(-55)`}>${visible(token)}</text>`)}
      ${found.tokens.map((/** @type {string} */ token, /** @type {number} */ i) => html`<g key=${i}><text x=${side - 8} y=${side + cell * (i + 0.5) + 4} text-anchor="end">${visible(token)}</text>
        ${values[i].map((/** @type {number | null} */ value, /** @type {number} */ j) => {
          const strength = value === null ? 0 : kind === "weights" ? value / high : value >= 0 ? value / (high || 1) : value / (low || 1);
          const colour = kind === "weights" ? "--c" : value !== null && value < 0 ? "--e" : "--i";
          return html`<rect key=${j} class=${at?.[0] === i && at?.[1] === j ? "cell on" : "cell"} x=${side + cell * j} y=${side + cell * i} width=${cell} height=${cell} rx="3" style=${value === null ? "fill:var(--paper)" : `fill:color-mix(in srgb, var(${colour}) ${(100 * Math.sqrt(strength)).toFixed(1)}%, var(--sunken))`} onPointerEnter=${() => setAt([i, j])} onClick=${() => setAt([i, j])}><title>${`${visible(token)} → ${visible(found.tokens[j])}: ${value === null ? "hidden" : number(value, 4)}`}</title></rect>`;
        })}</g>`)}
    </svg></div>
    <label class="field" style="max-width:340px;margin-top:8px">Read a row<select onChange=${(/** @type {Event} */ event) => { const i = Number(/** @type {HTMLSelectElement} */ (event.target).value); setAt([i, found.weights[i].indexOf(Math.max(...found.weights[i]))]); }}>${found.tokens.map((/** @type {string} */ token, /** @type {number} */ i) => html`<option key=${i} value=${i}>${i + 1}. ${visible(token)}</option>`)}</select></label>
    <p class="map-note">A large weight says where a head took its numbers from, not why the model answered as it did.</p>` : !wrong && html`<p class="muted" style="margin-top:10px">Opening the model, some seconds the first time…</p><div class="waiting" style="height:360px;margin-top:8px"></div>`}
  </section>`;
}
