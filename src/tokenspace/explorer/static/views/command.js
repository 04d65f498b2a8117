// "Show me the command": the line for a shell, and the one for Python, that give the same.
import { copy } from "../exports.js";
import { html, useId, useRef } from "../ui.js";

/** @param {{title: string, lines: string[]}} props */
export function Command({ title, lines }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const name = useId();
  return html`<button type="button" class="quiet" aria-haspopup="dialog" onClick=${() => dialog.current?.showModal()}>Command</button>
    <dialog ref=${dialog} class="command" aria-labelledby=${name} onClick=${(/** @type {Event} */ event) => event.target === dialog.current && dialog.current?.close()}>
      <h3 id=${name}>${title}</h3>
      ${lines.map((line) => html`<div class="line" key=${line}><code>${line}</code><button type="button" onClick=${() => copy(line)}>Copy</button></div>`)}
      <button type="button" class="quiet close" onClick=${() => dialog.current?.close()}>Close</button>
    </dialog>`;
}
