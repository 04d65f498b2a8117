// What the page shows, as signals; the address holds it, so that a link, the back button and a bookmark bring it back.
import { batch, computed, effect, signal } from "./vendor/signals.js";
import { Refused, ask, latest } from "./api.js";
import { reference } from "./ui.js";

/**
 * @typedef {{name: string, argument: string, n: number, d: number, dtype: string, zero_rows: number, columns: string[], first: string[], opening: string,
 *   norms: {min: number, median: number, max: number}, version: string}} Table
 * @typedef {{token: string, norm: number, scores: Record<string, number | null>, ranks: Record<string, number>}} Row
 * @typedef {{token: string, id: number, score: number, rank: number, norm: number, ranks: Record<string, number>}} Neighbour
 * @typedef {{table: string, query: string, terms: {id: number, token: string}[], norm: number, k: number,
 *   neighbours: Record<string, Neighbour[]>, rows: Record<string, Row>, undefined: string[]}} Answer
 * @typedef {{version: string, tables: Table[], projections: Record<string, boolean>, attention: {possible: boolean, why_not: string}, starts: string[]}} World
 */

export const VIEWS = ["neighbours", "layer", "map", "compare", "attention", "practice"];

/** Defaults: what the address leaves out. */
const DEFAULTS = /** @type {Record<string, string>} */ ({ view: "neighbours", t: "", q: "", v: "", k: "12", self: "" });

/** Whether the address is ours to write; not where the page is part of another, a notebook's. */
let ours = true;
export const embed = () => {
  ours = false;
  place.value = { ...DEFAULTS };
};

/** Everything in the address. @type {import("./vendor/signals.js").Signal<Record<string, string>>} */
export const place = signal(read());
/** @type {import("./vendor/signals.js").Signal<World | null>} */
export const world = signal(/** @type {World | null} */ (null));
/** @type {import("./vendor/signals.js").Signal<Answer | null>} */
export const answer = signal(/** @type {Answer | null} */ (null));
/** The answer again, once its lists are painted: what is drawn beside them waits for that. @type {import("./vendor/signals.js").Signal<Answer | null>} */
export const settled = signal(/** @type {Answer | null} */ (null));
/** @type {import("./vendor/signals.js").Signal<Refused | null>} */
export const problem = signal(/** @type {Refused | null} */ (null));
/** The row under the pointer or the keyboard's focus, in every panel. */
export const hovered = signal(/** @type {number | null} */ (null));
export const busy = signal(false);
/** What a screen reader is told. */
export const spoken = signal("");

export const view = computed(() => (VIEWS.includes(place.value.view) ? place.value.view : "neighbours"));
export const table = computed(() => {
  const tables = world.value?.tables ?? [];
  return tables.find((one) => one.name === place.value.t) ?? tables[0] ?? null;
});
/** Whether the query's own rows may stand in its lists. */
export const self = computed(() => place.value.self === "1");
export const k = computed(() => Math.min(200, Math.max(1, Number.parseInt(place.value.k, 10) || 12)));
/** The chosen neighbour v: its row id in the answer shown, or null. */
export const chosen = computed(() => chosenOf(answer.value));
/** What stands for v in a question: the chosen row, or whatever the address says; of the answer whose lists are painted. */
export const second = computed(() => {
  const found = settled.value;
  const id = chosenOf(found);
  return id !== null && found ? reference(found.rows[String(id)].token, id) : place.value.v;
});

/** @param {Answer | null} found */
function chosenOf(found) {
  if (!found) return null;
  const wanted = place.value.v;
  const entry = Object.entries(found.rows).find(([id, row]) => reference(row.token, Number(id)) === wanted);
  if (entry) return Number(entry[0]);
  const lists = Object.values(found.neighbours);
  return wanted ? null : ((found.neighbours.cosine[0] ?? lists[0]?.[0])?.id ?? null);
}

/** @returns {Record<string, string>} */
function read() {
  return { ...DEFAULTS, ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
}

/**
 * Change what is shown, and the address with it.
 * @param {Record<string, string | number | null>} change empty or null takes a part out
 * @param {{push?: boolean}} [options] push: a step for the back button
 */
export function show(change, options = {}) {
  const next = { ...place.peek() };
  for (const [name, value] of Object.entries(change)) next[name] = value === null ? "" : String(value);
  const kept = Object.entries(next).filter(([name, value]) => value !== "" && value !== DEFAULTS[name]);
  const address = `#${new URLSearchParams(kept)}`;
  if (ours && address !== location.hash && (address !== "#" || location.hash)) {
    const to = address === "#" ? location.pathname + location.search : address;
    if (options.push) history.pushState(null, "", to);
    else history.replaceState(null, "", to);
  }
  place.value = { ...DEFAULTS, ...next };
}

const searching = latest();

/** Milliseconds before the page says that it waits: what turns while the answer is worked out takes the processor from it. */
const PATIENCE = 150;
let patient = 0;

/** @param {boolean} asked whether a question is under way */
function waits(asked) {
  if (asked) patient ||= setTimeout(() => (busy.value = true), PATIENCE);
  else {
    clearTimeout(patient);
    patient = 0;
    busy.value = false;
  }
}

/**
 * Ask for the neighbours of a text.
 * @param {string} text
 * @param {{live?: boolean}} [options] live: while somebody types; a text without an answer changes nothing
 */
async function search(text, options = {}) {
  const one = table.peek();
  if (!one || !text) return;
  waits(true);
  try {
    const live = Boolean(options.live);
    const found = await searching.run((signal) =>
      ask("/near", { t: one.name, q: text, k: k.peek(), include_query: self.peek(), live }, { signal }),
    );
    if (!found) return;
    waits(false);
    if (found.error) return; // what is typed so far names nothing
    batch(() => {
      answer.value = found;
      hovered.value = null; // another row is in its place
      problem.value = null;
      spoken.value = agreement(found).sentence;
    });
  } catch (error) {
    waits(false);
    if (!(error instanceof Refused)) throw error;
    if (!options.live) {
      problem.value = error;
      answer.value = null;
    }
  }
}

/** While a text is typed: its neighbours, if it has any; the address follows without steps, when they are painted. @param {string} text */
export function typed(text) {
  typing = text;
  return search(text, { live: true });
}
let typing = "";

/** Ask for a text: a step for the back button. @param {string} text */
export function look(text) {
  typing = "";
  show({ q: text, v: "" }, { push: true });
}

/**
 * How far the three lists agree.
 * @param {Answer} found
 */
export function agreement(found) {
  const lists = Object.values(found.neighbours).filter((list) => list.length);
  /** @type {Map<number, number>} */
  const times = new Map();
  for (const list of lists) for (const row of list) times.set(row.id, (times.get(row.id) ?? 0) + 1);
  const all = [...times.values()].filter((one) => one === lists.length).length;
  const only = [...times.values()].filter((one) => one === 1).length;
  const long = Math.max(0, ...lists.map((list) => list.length));
  return {
    times,
    lists: lists.length,
    all,
    only,
    long,
    rows: times.size,
    sentence: lists.length > 1 ? `${all} of ${long} rows stand in all ${lists.length === 3 ? "three" : "two"} lists, ${only} in one only.` : "",
  };
}

/** Start: what tables there are, then follow the address. */
export async function start() {
  let [waiting, soon] = [0, 0];
  effect(() => {
    const found = answer.value;
    cancelAnimationFrame(waiting);
    clearTimeout(soon);
    const settle = () => {
      const typed = typing !== "" && found?.query === typing;
      batch(() => {
        settled.value = found;
        if (typed) show({ q: typing, v: "" });
      });
      if (typed) typing = ""; // from here on it is like any other address: another k asks again
    };
    waiting = requestAnimationFrame(() => (soon = setTimeout(settle))); // a task after the frame: its paint is done
  });
  for (const moved of ours ? ["popstate", "hashchange"] : [])
    addEventListener(moved, () => {
      typing = "";
      place.value = read();
    });
  // Both at once: the first list need not wait for the table's description.
  const { t, q, self } = place.peek();
  const early = ours ? ask("/near", { t, q, k: k.peek(), include_query: self === "1" }).catch(() => null) : null;
  world.value = await ask("/tables", {});
  const found = await early;
  let last = "";
  if (found && found.table === table.peek()?.name) {
    last = JSON.stringify([found.table, found.query, k.peek(), self]);
    answer.value = found;
    spoken.value = agreement(found).sentence;
  }
  effect(() => {
    const { q, self } = place.value;
    const one = table.value;
    if (!one) return;
    const text = q || opening(one);
    const question = JSON.stringify([one.name, text, k.value, self]);
    if (question === last) return;
    last = question;
    if (!typing || typing !== text) search(text);
  });
}

/** What a table opens with where the address names nothing. @param {Table} one */
export function opening(one) {
  return one.opening;
}
