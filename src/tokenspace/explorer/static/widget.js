// The first view inside a notebook: the same lists and geometry, asking the notebook's Python instead of a server.
import { Refused, askBy } from "./api.js";
import { Search } from "./search.js";
import { embed, show, start } from "./state.js";
import { html, render } from "./ui.js";
import { Neighbours } from "./views/neighbours.js";

/**
 * @typedef {{get: (name: string) => any, send: (content: any) => void, on: (event: string, told: (content: any, buffers: DataView[]) => void) => void,
 *   off: (event: string, told: (content: any, buffers: DataView[]) => void) => void}} Model
 */

let last = 0;

/** @param {{model: Model, el: HTMLElement}} given */
export async function show_in({ model, el }) {
  /** @type {Map<number, {done: (answer: any) => void, failed: (error: Error) => void}>} */
  const waiting = new Map();
  const told = (/** @type {any} */ content, /** @type {DataView[]} */ buffers) => {
    const one = waiting.get(content.number);
    if (!one) return;
    waiting.delete(content.number);
    if (content.error) one.failed(new Refused(content.status, content.error));
    else if (buffers?.length) one.done({ header: content.answer, data: buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength) });
    else one.done(content.answer);
  };
  model.on("msg:custom", told);
  const asked = (/** @type {string} */ path, /** @type {any} */ params, /** @type {boolean} */ post) =>
    new Promise((done, failed) => {
      waiting.set(++last, { done, failed });
      model.send({ number: last, path, params, method: post ? "POST" : "GET" });
    });
  askBy({ ask: (path, params, options) => asked(path, params, Boolean(options?.post)), column: (path, params) => asked(path, params, false) });
  embed();
  el.dataset.lmSuppressShortcuts = "true"; // a letter typed here is no command of JupyterLab's, which looks before this page can
  const root = el.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = model.get("_style");
  const box = document.createElement("div");
  box.className = "embedded";
  root.append(style, box);
  await start();
  show({ q: model.get("query"), k: String(model.get("k")) });
  render(html`<div class="embedded-top"><${Search} /></div><${Neighbours} />`, box);
  return () => {
    render(null, box);
    model.off("msg:custom", told);
  };
}
