// The one box: a token or an expression, completed over all rows while one types.
import { signal } from "./vendor/signals.js";
import { ask, latest } from "./api.js";
import { Token, afterPaint, html, reference, useEffect, useRef } from "./ui.js";
import { busy, look, opening, place, table, typed } from "./state.js";

/** @type {import("./vendor/signals.js").Signal<[number, string][]>} */
const offered = signal(/** @type {[number, string][]} */ ([]));
const at = signal(-1);
const completing = latest();

/** Milliseconds that the completions wait for the neighbours: both at once would slow both. */
const PATIENCE = 120;

/** The last term of an expression, and what stands before it. @param {string} text */
function lastTerm(text) {
  const found = /^(.*(?:^|\s)[+-] )(.*)$/s.exec(text);
  return found ? [found[1], found[2]] : ["", text];
}

/** @param {string} text */
async function complete(text) {
  const [, term] = lastTerm(text);
  const one = table.peek();
  if (!one || !term.trim() || term.startsWith("[") || term.startsWith("#")) {
    offered.value = [];
    return;
  }
  const found = await completing.run((stop) => ask("/complete", { t: one.name, q: term.trimStart(), limit: 8 }, { signal: stop })).catch(() => null);
  if (found) {
    offered.value = found.tokens;
    at.value = -1;
  }
}

function close() {
  offered.value = [];
  at.value = -1;
}

export function Search() {
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const one = table.value;
  const text = place.value.q || (one ? opening(one) : "");
  useEffect(() => {
    if (box.current && document.activeElement !== box.current) box.current.value = text;
  }, [text]);
  const open = offered.value.length > 0;
  /** @param {number} index */
  const take = (index) => {
    const [id, token] = offered.value[index];
    const [before] = lastTerm(box.current.value);
    const next = before + reference(token, id);
    box.current.value = next;
    close();
    look(next);
  };
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const last = offered.value.length;
    if (event.key === "ArrowDown" && last) at.value = (at.value + 1) % last;
    else if (event.key === "ArrowUp" && last) at.value = (at.value + last) % (last + 1) - (at.value === 0 ? 1 : 0);
    else if (event.key === "Enter") {
      if (at.value >= 0) take(at.value);
      else {
        close();
        look(box.current.value);
      }
    } else if (event.key === "Escape") {
      if (last) close();
      else box.current.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<div class="search" role="search">
    <input
      ref=${box}
      id="q"
      type="text"
      role="combobox"
      aria-label="Token or expression"
      aria-expanded=${open ? "true" : "false"}
      aria-controls="offered"
      aria-autocomplete="list"
      aria-activedescendant=${at.value >= 0 ? `offered-${at.value}` : undefined}
      autocomplete="off"
      autocapitalize="off"
      spellcheck=${false}
      dir="auto"
      placeholder="king, or king - man + woman"
      onInput=${(/** @type {InputEvent} */ event) => {
        const typedText = /** @type {HTMLInputElement} */ (event.target).value;
        const late = new Promise((done) => setTimeout(done, PATIENCE));
        Promise.race([typed(typedText), late]).then(() =>
          afterPaint(() => {
            if (box.current?.value === typedText) complete(typedText);
          }),
        );
      }}
      onKeyDown=${pressed}
      onFocus=${(/** @type {FocusEvent} */ event) => /** @type {HTMLInputElement} */ (event.target).select()}
      onBlur=${() => setTimeout(close, 150)}
    />
    <kbd class="slash" aria-hidden="true">/</kbd>
    <span class=${busy.value ? "spin on" : "spin"} aria-hidden="true"></span>
    <ul id="offered" role="listbox" aria-label="Tokens of the table" hidden=${!open}>
      ${offered.value.map(
        ([id, token], index) => html`<li
          key=${id}
          id=${`offered-${index}`}
          role="option"
          aria-selected=${index === at.value ? "true" : "false"}
          onPointerDown=${(/** @type {PointerEvent} */ event) => {
            event.preventDefault();
            take(index);
          }}
        ><${Token} token=${token} /><span class="id">#${id}</span></li>`,
      )}
    </ul>
  </div>`;
}
