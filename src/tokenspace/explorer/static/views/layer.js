// Figs. 1 and 2 on the user's own table: input nodes, the columns of W as edges, z = Wx; and a node added, while the old stay frozen.
import { ask, latest } from "../api.js";
import { save, savePng, standalone } from "../exports.js";
import { Token, count, html, number, python, quoted, reference, useEffect, useLayoutEffect, useRef, useState, visible, watchSize } from "../ui.js";
import { answer, opening, place, show, table, world } from "../state.js";
import { Command } from "./command.js";

const asking = latest();
const DRAWN = 7;

/** The terms of x in the address: "king*1 man*-1" as JSON pairs. @returns {[string, number][]} */
function terms() {
  try {
    const read = JSON.parse(place.value.x1 || "null");
    if (Array.isArray(read) && read.length) return read.slice(0, 8).map(([token, weight]) => [String(token), Number(weight) || 0]);
  } catch {
    return first();
  }
  return first();
}

/** @returns {[string, number][]} */
function first() {
  const term = answer.value?.terms[0];
  return [[term ? reference(term.token, term.id) : opening(/** @type {any} */ (table.value)), 1]];
}

export function Layer() {
  const one = table.value;
  const x = terms();
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const [added, setAdded] = useState(/** @type {any} */ (null));
  const drawing = useRef(/** @type {SVGSVGElement | null} */ (null));
  const name = one?.name ?? "";
  const text = JSON.stringify(x);
  useEffect(() => {
    asking.run((signal) => ask("/layer", { t: name, tokens: x.map((term) => term[0]), weights: x.map((term) => term[1]) }, { signal })).then(
      (next) => {
        if (next) setFound(next);
        setWrong("");
      },
      (error) => setWrong(`${error.message} ${error.hint ?? ""}`),
    );
  }, [name, text]);
  if (!one) return null;
  const change = (/** @type {[string, number][]} */ next) => show({ x1: JSON.stringify(next) });
  const oneHot = x.length === 1 && x[0][1] === 1;
  const sum = x.map(([token, weight], i) => html`${i > 0 ? (weight < 0 ? " − " : " + ") : weight < 0 ? "−" : ""}${Math.abs(weight) === 1 ? "" : `${number(Math.abs(weight), 2)}·`}w<sub>${visible(token)}</sub>`);
  return html`<div class="page layer">
    <section class="card" aria-labelledby="layer-title">
      <div class="card-head"><h1 id="layer-title">The layer: z = Wx <span class="muted">Figs. 1 and 2</span></h1>
        <div class="tools">
          <button type="button" class="quiet" onClick=${() => drawing.current && save(`layer ${x[0][0]}.svg`, standalone(drawing.current), "image/svg+xml")}>SVG</button>
          <button type="button" class="quiet" onClick=${() => drawing.current && savePng(drawing.current, `layer ${x[0][0]}.png`)}>PNG</button>
          <${Command} title="The same in Python" lines=${[`table = ts.open(${python(one.argument)}); x = np.zeros(table.n); ${x.map(([token, weight]) => `x[table.rows(${python(token)})] += ${weight}`).join("; ")}; table.linear(x)`]} />
        </div>
      </div>
      ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
      ${found && html`<${Net} svg=${drawing} found=${found} added=${added} />
        <p class="identity">${oneHot ? html`x is one-hot, so z is one column of W: <b>z = We<sub>i</sub> = w<sub>i</sub></b>, a lookup (7).` : html`x is zero but at ${x.length} tokens, so z is a weighted sum of ${x.length} columns: <b>z = Wx = ${sum}</b> (6).`}
          ${found.product.difference !== null && html`<br /><span class="muted">The full product over all ${count(found.product.columns)} columns${found.product.difference === 0 ? " gives the same numbers, bit for bit." : html` differs from it by at most ${found.product.difference.toExponential(1)}, its rounding.`}</span>`}</p>
        <div class="strips" aria-label="Columns of W">
          ${found.terms.map((/** @type {any} */ term) => html`<${Strip} key=${`${term.id}`} name=${html`${term.weight !== 1 && html`<span class="muted">${number(term.weight, 2)} · </span>`}<${Token} token=${term.token} />`} title=${`W, column ${term.id}`} values=${term.column} largest=${largest(found, added)} />`)}
          ${added?.rows.map((/** @type {any} */ row) => html`<${Strip} key=${`new${row.id}`} extra="new" name=${html`<${Token} token=${row.token} />`} title=${`W, new column ${row.id}`} values=${row.column} largest=${largest(found, added)} />`)}
          <${Strip} extra="z" name=${html`<b>z</b>`} title="z" values=${found.z} largest=${largest(found, added)} />
        </div>
        <p class="map-note">${count(one.d)} numbers a column; <span class="m-i">orange above zero</span>, <span class="m-e">teal below</span>, as strong as the number is large.</p>`}
    </section>
    <div class="stack">
      <section class="card" aria-labelledby="x-title"><h2 id="x-title">The input x</h2>
        <div class="terms">${x.map(([token, weight], index) => html`<div class="term" key=${index}>
          <span><${Token} token=${token} /></span>
          <input type="range" min="-2" max="2" step="0.1" value=${weight} aria-label=${`weight of ${visible(token)}`} onInput=${(/** @type {Event} */ event) => change(x.map((term, i) => (i === index ? [token, Number(/** @type {HTMLInputElement} */ (event.target).value)] : term)))} />
          <input type="number" step="0.1" value=${weight} aria-label=${`weight of ${visible(token)}, as a number`} onChange=${(/** @type {Event} */ event) => change(x.map((term, i) => (i === index ? [token, Number(/** @type {HTMLInputElement} */ (event.target).value) || 0] : term)))} />
          <button type="button" class="icon" aria-label=${`Take ${visible(token)} out`} disabled=${x.length === 1} onClick=${() => change(x.filter((_, i) => i !== index))}>×</button>
        </div>`)}</div>
        <${Add} full=${x.length >= 8} add=${(/** @type {string} */ token) => change([...x, [token, 1]])} />
        <p class="examples muted">Try <button type="button" class="link" onClick=${() => change(x.map(([token]) => [token, 1]).slice(0, 1).map(([token]) => /** @type {[string, number]} */ ([String(token), 1])))}>one-hot</button>${one.opening === "king" ? html` · <button type="button" class="link" onClick=${() => change([["king", 1], ["man", -1], ["woman", 1]])}>king − man + woman</button>` : ""}</p>
      </section>
      <${Extension} t=${name} told=${setAdded} added=${added} />
    </div>
  </div>`;
}

/** @param {any} found @param {any} added */
const largest = (found, added) => Math.max(found.largest, ...found.z.map(Math.abs), ...(added?.rows ?? []).flatMap((/** @type {any} */ row) => row.column.map(Math.abs))) || 1;

/** @param {{full: boolean, add: (token: string) => void}} props */
function Add({ full, add }) {
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  return html`<form class="term-add" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); if (box.current?.value.trim()) { add(box.current.value.trim()); box.current.value = ""; } }}>
    <input ref=${box} type="text" aria-label="Token to add to x" placeholder="another token" disabled=${full} spellcheck=${false} /><button type="submit" disabled=${full}>Add to x</button></form>`;
}

/** A column as a row of coloured cells. @param {{name: any, title: string, values: number[], largest: number, extra?: string}} props */
function Strip({ name, title, values, largest: most, extra = "" }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const again = () => setTick((last) => last + 1);
    addEventListener("themechange", again);
    return () => removeEventListener("themechange", again);
  }, []);
  useLayoutEffect(() => {
    const element = /** @type {HTMLCanvasElement} */ (canvas.current);
    element.width = values.length;
    element.height = 1;
    const paper = /** @type {CanvasRenderingContext2D} */ (element.getContext("2d"));
    const style = getComputedStyle(document.documentElement);
    const [plus, minus] = [style.getPropertyValue("--i"), style.getPropertyValue("--e")];
    values.forEach((value, j) => {
      paper.globalAlpha = Math.min(1, Math.sqrt(Math.abs(value) / most));
      paper.fillStyle = value < 0 ? minus : plus;
      paper.fillRect(j, 0, 1, 1);
    });
  }, [values, most, tick]);
  const told = (/** @type {MouseEvent} */ event) => {
    const element = /** @type {HTMLElement} */ (event.currentTarget);
    const j = Math.min(values.length - 1, Math.floor((event.offsetX / element.clientWidth) * values.length));
    element.title = `${title}, number ${j + 1}: ${number(values[j], 5)}`;
  };
  return html`<div class=${`strip-row ${extra}`}><span class="name">${name}</span><canvas ref=${canvas} class="strip" style="image-rendering:pixelated;background:var(--sunken)" role="img" aria-label=${`${title}: ${values.length} numbers from ${number(Math.min(...values), 3)} to ${number(Math.max(...values), 3)}`} onPointerMove=${told}></canvas></div>`;
}

/** The network: input nodes, edges, the nodes of z. @param {{svg: any, found: any, added: any}} props */
function Net({ svg, found, added }) {
  const frame = useRef(/** @type {HTMLElement | null} */ (null));
  const [width, setWidth] = useState(640);
  useEffect(() => watchSize(frame, (wide) => setWidth(Math.max(300, wide))), []);
  const weights = new Map(found.terms.map((/** @type {any} */ term) => [term.id, term.weight]));
  const rows = [...found.nodes, ...(added?.rows ?? []).map((/** @type {any} */ row) => ({ ...row, column: row.column.slice(0, 16), fresh: true }))];
  /** @type {number[]} */
  const z = found.z.slice(0, DRAWN);
  const step = 44;
  /** @type {{node: any, y: number, gap: boolean}[]} */
  const places = [];
  let y = 34;
  rows.forEach((node, index) => {
    const gap = index > 0 && node.id > rows[index - 1].id + 1;
    if (gap) y += 22;
    places.push({ node, y, gap });
    y += step;
  });
  const height = Math.max(y, z.length * step + 60);
  const more = found.d > DRAWN;
  const top = (height - (z.length + (more ? 0.7 : 0)) * step) / 2 + step / 2;
  const [left, right] = [Math.min(190, width * 0.34), width - Math.min(130, width * 0.24)];
  const most = largest(found, added);
  const lit = found.terms.map((/** @type {any} */ term) => visible(term.token)).join(", ");
  return html`<div ref=${frame}><svg ref=${svg} class="net" width=${width} height=${height} viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`The layer as a network: ${count(found.n)} input nodes, ${found.d} nodes of z; lit: ${lit}; z begins ${z.map((/** @type {number} */ value) => number(value, 3)).join(", ")}.`}>
    <g>${places.flatMap(({ node, y: at }) => z.map((_value, j) => html`<line key=${`${node.id}-${j}`} class=${node.fresh ? "edge new" : added ? "edge frozen" : "edge"} x1=${left + 13} y1=${at} x2=${right - 15} y2=${top + j * step} />`))}
      ${places.filter(({ node }) => weights.get(node.id)).flatMap(({ node, y: at }) => z.map((_value, j) => {
        const value = node.column[j];
        return html`<line key=${`lit${node.id}-${j}`} class=${`edge ${value < 0 ? "lit-minus" : "lit-plus"}`} style=${`stroke-width:${1 + (5 * Math.abs(value)) / most}`} x1=${left + 13} y1=${at} x2=${right - 15} y2=${top + j * step}><title>W[${j}, ${node.id}] = ${number(value, 5)}</title></line>`;
      }))}</g>
    ${places.map(({ node, y: at, gap }) => {
      const weight = weights.get(node.id);
      const short = visible(node.token);
      return html`<g key=${node.id}>
        ${gap && html`<text class="dim" x=${left} y=${at - 31} text-anchor="middle">⋮</text>`}
        <circle class=${node.fresh ? "node new" : weight ? "node on" : "node"} cx=${left} cy=${at} r="13" />
        <text class=${weight ? "on-text" : "dim"} x=${left} y=${at + 4} text-anchor="middle">${weight ? number(weight, Number.isInteger(weight) ? 0 : 1) : "0"}</text>
        <text x=${left - 22} y=${at + 1} text-anchor="end">${short.length > 16 ? `${short.slice(0, 15)}…` : short}</text>
        <text class="dim" x=${left - 22} y=${at + 14} text-anchor="end" style="font-size:10.5px">${node.fresh ? "new" : `x${count(node.id + 1)}`}${added && !node.fresh ? " · frozen" : ""}</text>
      </g>`;
    })}
    ${z.map((/** @type {number} */ value, /** @type {number} */ j) => html`<g key=${j}><circle class="node" cx=${right} cy=${top + j * step} r="15" style=${`fill:color-mix(in srgb, var(${value < 0 ? "--e" : "--i"}) ${Math.round(60 * Math.min(1, Math.abs(value) / most))}%, var(--surface))`} /><text x=${right + 24} y=${top + j * step + 4}>${number(value, 3)}</text><text class="dim" x=${right} y=${top + j * step + 4} text-anchor="middle" style="font-size:11px">z${j + 1}</text></g>`)}
    ${more && html`<text class="dim" x=${right} y=${top + z.length * step} text-anchor="middle">⋮ z${found.d}</text>`}
    <text class="dim" x=${left} y="12" text-anchor="middle">x</text><text class="dim" x=${(left + right) / 2} y="12" text-anchor="middle">W: ${found.d} × ${count(found.n + (added?.rows.length ?? 0))}</text><text class="dim" x=${right} y="12" text-anchor="middle">z</text>
  </svg></div>`;
}

/** Section 4.5: new input nodes. @param {{t: string, told: (added: any) => void, added: any}} props */
function Extension({ t, told, added }) {
  const one = table.value;
  const [words, setWords] = useState("");
  const [init, setInit] = useState("subtoken-mean");
  const [part, setPart] = useState("");
  const [wrong, setWrong] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => told(null), [t]);
  const grow = async (/** @type {Event} */ event) => {
    event.preventDefault();
    const tokens = words.split(",").map((word) => word.trim()).filter(Boolean).slice(0, 4);
    if (!tokens.length) return;
    setBusy(true);
    try {
      told(await ask("/extend", { t, tokens, init, parts: part.trim() ? [part.trim()] : [] }, { post: true }));
      setWrong("");
    } catch (error) {
      setWrong(`${/** @type {any} */ (error).message} ${/** @type {any} */ (error).hint ?? ""}`);
    }
    setBusy(false);
  };
  const tokens = added?.rows.map((/** @type {any} */ row) => row.token) ?? [];
  return html`<section class="card" aria-labelledby="extend-title">
    <div class="card-head"><h2 id="extend-title">Add input nodes <span class="muted">vocabulary extension, 4.5</span></h2>
      ${added && html`<div class="tools"><button type="button" class="quiet" onClick=${() => told(null)}>Take them out</button>
        <${Command} title="The same on a file" lines=${[`printf '%s\\n' ${tokens.map(quoted).join(" ")} > new.txt; tokenspace extend ${quoted(one?.argument ?? t)} --tokens new.txt --out bigger.safetensors --init ${added.init}`, `bigger = table.extend([${tokens.map(python).join(", ")}], init=${python(added.init)}); bigger.proof(table)`]} /></div>`}</div>
    <form onSubmit=${grow}>
      <div class="term-add"><input type="text" aria-label="New tokens" placeholder="new york, covid" value=${words} spellcheck=${false} onInput=${(/** @type {Event} */ event) => setWords(/** @type {HTMLInputElement} */ (event.target).value)} />
        <select aria-label="How new columns start" value=${init} onChange=${(/** @type {Event} */ event) => setInit(/** @type {HTMLSelectElement} */ (event.target).value)}>${(world.value?.starts ?? []).map((start) => html`<option key=${start}>${start}</option>`)}</select></div>
      ${init === "copy" && html`<div class="term-add"><input type="text" aria-label="Token to copy" placeholder="token to copy" value=${part} spellcheck=${false} onInput=${(/** @type {Event} */ event) => setPart(/** @type {HTMLInputElement} */ (event.target).value)} /></div>`}
      <div class="term-add"><button class="primary" type="submit" disabled=${busy}>${busy ? "Extending…" : "Add"}</button></div>
    </form>
    ${wrong && html`<p class="problem" role="alert">${wrong}</p>`}
    ${added ? html`<div class="proof" style="margin-top:14px">
        ${added.proof ? html`<p class=${added.proof.same ? "lock" : "problem"}>${added.proof.same ? `✓ all ${count(added.proof.rows)} old columns are frozen: identical, byte for byte` : "old columns changed"}</p><p class="muted digest">SHA-256 ${added.proof.digest}</p>` : html`<p class="muted">The table is too large to be extended for show; the new columns are those it would get.</p>`}
      </div>
      ${added.rows.map((/** @type {any} */ row) => html`<table class="plain" key=${row.id} style="margin-top:12px"><caption style="text-align:left"><b><${Token} token=${row.token} /></b> <span class="muted">column ${count(row.id + 1)}${row.parts.length ? html`, from ${row.parts.map((/** @type {string} */ word, /** @type {number} */ i) => html`${i > 0 && " + "}<${Token} token=${word} />`)}` : ""}; nearest old ones</span></caption>
        <thead class="sr"><tr><th scope="col">token</th><th scope="col">distance</th></tr></thead><tbody>${row.near.map((/** @type {any} */ near) => html`<tr key=${near.id}><th scope="row"><${Token} token=${near.token} /></th><td class="n">${number(near.distance, 3)}</td></tr>`)}</tbody></table>`)}` : html`<p class="map-note">New input nodes are new columns of W. Only they would be trained; nothing is written here.</p>`}
  </section>`;
}
