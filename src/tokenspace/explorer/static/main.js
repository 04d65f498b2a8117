// The frame round every view: table, box, tabs, keys, theme; views are fetched when they are first wanted.
import { effect } from "./vendor/signals.js";
import { count, html, number, render, useEffect, useRef, useState } from "./ui.js";
import { savePage, say, copy, toast } from "./exports.js";
import { Search } from "./search.js";
import { VIEWS, answer, place, settled, show, spoken, start, table, view, world } from "./state.js";
import { Neighbours } from "./views/neighbours.js";

const TITLES = /** @type {Record<string, string>} */ ({ neighbours: "Neighbours", layer: "Layer", map: "Map", compare: "Compare", attention: "Attention", practice: "Practice" });
/** @type {Record<string, () => Promise<any>>} */
const LATER = {
  layer: () => import("./views/layer.js").then((module) => module.Layer),
  map: () => import("./views/map.js").then((module) => module.MapView),
  compare: () => import("./views/compare.js").then((module) => module.Compare),
  attention: () => import("./views/attention.js").then((module) => module.Attention),
  practice: () => import("./views/practice.js").then((module) => module.Practice),
};
const KEYS = [
  ["/", "the box: a token or an expression"],
  ["↑ ↓ ← →", "rows of a list, and the lists; on the tip of v: turn and stretch it; on the map: move it"],
  ["Enter", "the row's geometry"],
  ["Shift Enter", "the row's own neighbours"],
  ["+ − 0", "on the map: nearer, farther, all of it"],
  ["1 … 6", "the views"],
  ["d", "dark or light"],
  ["?", "this help"],
  ["Esc", "close; put v back"],
];

const theme = {
  /** @param {string} name */
  set(name) {
    if (name) document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    dispatchEvent(new Event("themechange"));
    try {
      localStorage.setItem("tokenspace-theme", name);
    } catch {
      say("The browser keeps no settings for this page");
    }
  },
  get dark() {
    const set = document.documentElement.dataset.theme;
    return set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  },
};

function App() {
  const [Later, setLater] = useState(/** @type {Record<string, any>} */ ({}));
  const help = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const name = view.value;
  const one = table.value;
  useEffect(() => {
    if (LATER[name] && !Later[name]) LATER[name]().then((component) => setLater((last) => ({ ...last, [name]: component })));
  }, [name]);
  useEffect(() => {
    const pressed = (/** @type {KeyboardEvent} */ event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      if (event.ctrlKey || event.metaKey || event.altKey || target.closest("input, textarea, select, dialog[open]")) return;
      if (event.key === "/") document.getElementById("q")?.focus();
      else if (event.key === "?") help.current?.showModal();
      else if (event.key === "d") theme.set(theme.dark ? "light" : "dark");
      else if (/^[1-6]$/.test(event.key)) show({ view: VIEWS[Number(event.key) - 1] }, { push: true });
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  if (!one) return null;
  const Shown = name === "neighbours" ? Neighbours : Later[name];
  return html`
    <a class="skip" href="#main" onClick=${(/** @type {Event} */ event) => { event.preventDefault(); document.getElementById("main")?.focus(); }}>To the view</a>
    <header class="top">
      <a class="brand" href=${location.pathname} aria-label="tokenspace explorer, start"><img src="/static/mark.svg" alt="" width="26" height="26" /><span>tokenspace</span></a>
      <${Search} />
      <div class="about">${world.value && world.value.tables.length > 1
        ? html`<label class="sr" for="table">Table</label><select id="table" value=${one.name} onChange=${(/** @type {Event} */ event) => show({ t: /** @type {HTMLSelectElement} */ (event.target).value, q: "", v: "" }, { push: true })}>${world.value.tables.map((each) => html`<option key=${each.name} value=${each.name}>${each.name}</option>`)}</select>`
        : html`<b>${one.name}</b>`}
        <span class="muted facts">${count(one.n)} × ${one.d} <span class="dtype">${one.dtype}</span> · norms ${number(one.norms.min, 2)} – ${number(one.norms.max, 2)}${one.zero_rows > 0 ? ` · ${count(one.zero_rows)} zero rows` : ""}</span>
      </div>
      <div class="top-tools">
        <button type="button" class="icon" aria-label="Dark or light" title="Dark or light (d)" onClick=${() => theme.set(theme.dark ? "light" : "dark")}><svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" /><path d="M10 3a7 7 0 0 0 0 14z" fill="currentColor" /></svg></button>
        <button type="button" class="icon" aria-label="Copy a link to this view" title="Copy a link to this view" onClick=${() => copy(location.href.replace(/([?&])token=[^&#]*/, ""))}><svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round"><path d="M8.5 11.5a3 3 0 0 0 4.2 0l3-3a3 3 0 0 0-4.2-4.2l-1 1" /><path d="M11.5 8.5a3 3 0 0 0-4.2 0l-3 3a3 3 0 0 0 4.2 4.2l1-1" /></svg></button>
        <button type="button" class="icon" aria-label="Save the view as one HTML file" title="Save the view as one HTML file" onClick=${() => savePage(answer.peek())}><svg viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"><path d="M10 3v9M6.5 8.5 10 12l3.5-3.5M4 16h12" /></svg></button>
        <button type="button" class="icon" aria-label="Help and keys" title="Help and keys (?)" onClick=${() => help.current?.showModal()}><span aria-hidden="true">?</span></button>
      </div>
    </header>
    <nav aria-label="Views"><ul>${VIEWS.map((each, index) => html`<li key=${each}><a href=${`#${new URLSearchParams({ ...kept(), view: each })}`} aria-current=${each === name ? "page" : undefined} title=${`${TITLES[each]} (${index + 1})`} onClick=${(/** @type {MouseEvent} */ event) => { if (event.ctrlKey || event.metaKey || event.shiftKey) return; event.preventDefault(); show({ view: each }, { push: true }); }}>${TITLES[each]}</a></li>`)}</ul></nav>
    <main id="main" tabindex="-1">${Shown ? html`<${Shown} />` : html`<div class="waiting" style="height: 400px"></div>`}</main>
    <div class="sr" aria-live="polite">${spoken}</div>
    <div class=${toast.value ? "toast on" : "toast"} role="status">${toast.value}</div>
    <dialog ref=${help} aria-labelledby="help-title" onClick=${(/** @type {Event} */ event) => event.target === help.current && help.current?.close()}>
      <h2 id="help-title">Three measures, three neighbourhoods</h2>
      <p>The <b class="m-e">Euclidean distance</b> is the length of the segment between two tips, the <b class="m-i">inner product</b> is a projection times a length, the <b class="m-c">cosine</b> forgets lengths and keeps the angle. They rank the same rows differently; this page shows where, on your own table.</p>
      <table class="keys"><caption class="sr">Keys</caption><tbody>${KEYS.map(([key, what]) => html`<tr key=${key}><th scope="row">${key.split(" ").map((each) => html`<kbd>${each}</kbd> `)}</th><td>${what}</td></tr>`)}</tbody></table>
      <p class="muted">tokenspace ${world.value?.version}. Everything is computed on this machine; nothing is sent anywhere. The HTTP interface: <a href="/api/v1/openapi.json">OpenAPI</a>.</p>
      <button type="button" class="quiet close" onClick=${() => help.current?.close()}>Close</button>
    </dialog>`;
}

/** What of the address goes along to another view. */
function kept() {
  return Object.fromEntries(Object.entries(place.value).filter(([name, value]) => value && ["t", "q", "v", "k"].includes(name)));
}

try {
  theme.set(localStorage.getItem("tokenspace-theme") ?? "");
} catch {
  theme.set("");
}
effect(() => {
  const name = view.value;
  const asked = settled.value?.query ?? "";
  document.title = table.value ? `${name === "practice" ? "Practice" : asked || TITLES[name]} · ${table.value.name} · tokenspace` : "tokenspace explorer";
});
const root = /** @type {HTMLElement} */ (document.getElementById("app"));
start().then(
  () => {
    root.textContent = "";
    render(html`<${App} />`, root);
  },
  (error) => {
    root.innerHTML = '<p class="boot" role="alert"></p>';
    /** @type {HTMLElement} */ (root.firstChild).textContent = `${error.message}. ${error.hint ?? ""}`;
  },
);
