// Taking things along: lists as CSV and JSON, pictures as SVG and PNG, the whole view as one HTML file, the command that gives the same.
import { signal } from "./vendor/signals.js";

/** A line that is shown for a moment. */
export const toast = signal("");
let fading = 0;

/** @param {string} text */
export function say(text) {
  toast.value = text;
  clearTimeout(fading);
  fading = setTimeout(() => (toast.value = ""), 2600);
}

/** @param {string} name @param {Blob | string} content @param {string} [kind] */
export function save(name, content, kind = "text/plain;charset=utf-8") {
  const link = document.createElement("a");
  const address = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type: kind }) : content);
  link.href = address;
  link.download = name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").slice(0, 120);
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  say(`Saved ${link.download}`);
}

/** @param {string} text */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied");
  } catch {
    say("The browser does not let the page copy; select the text instead");
  }
}

/**
 * Comma-separated values (RFC 4180). A cell that a spreadsheet would run as a formula gets a quote before it.
 * @param {string[]} names
 * @param {(string | number | null)[][]} rows
 */
export function csv(names, rows) {
  /** @param {string | number | null} value */
  const cell = (value) => {
    if (value === null) return "";
    if (typeof value === "number") return String(value);
    const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\r\n']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${[names, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

const DRAWN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-size", "font-weight", "font-family", "text-anchor", "paint-order", "stroke-linejoin", "fill-opacity", "stroke-opacity"];

/**
 * A drawing with the looks that the style sheet gives it written in, so that it stands alone.
 * @param {SVGSVGElement} drawing
 * @param {HTMLCanvasElement} [under] what lies under it
 */
export function standalone(drawing, under) {
  const copied = /** @type {SVGSVGElement} */ (drawing.cloneNode(true));
  const from = [drawing, ...drawing.querySelectorAll("*")];
  const to = [copied, ...copied.querySelectorAll("*")];
  from.forEach((element, index) => {
    const style = getComputedStyle(element);
    const looks = DRAWN.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";");
    /** @type {SVGElement} */ (to[index]).style.cssText = looks; // an attribute would be against the page's policy
  });
  for (const hidden of copied.querySelectorAll("[data-handle]")) hidden.remove();
  const { width, height } = drawing.getBoundingClientRect();
  if (under) {
    const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
    for (const [name, value] of [["href", under.toDataURL()], ["width", "100%"], ["height", "100%"]]) image.setAttribute(name, value);
    copied.prepend(image);
  }
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copied.setAttribute("width", String(Math.round(width)));
  copied.setAttribute("height", String(Math.round(height)));
  return new XMLSerializer().serializeToString(copied);
}

/** @param {SVGSVGElement} drawing @param {string} name @param {HTMLCanvasElement} [under] */
export async function savePng(drawing, name, under) {
  const { width, height } = drawing.getBoundingClientRect();
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(standalone(drawing, under))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.round(width * 2), Math.round(height * 2)];
  const paper = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  paper.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface") || "#fff";
  paper.fillRect(0, 0, canvas.width, canvas.height);
  paper.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(name, blob));
}

/** The view as one file that needs no server: what is on the page now, its style, and its numbers as JSON. @param {unknown} data */
export async function savePage(data) {
  const [style, main] = [await (await fetch("/static/style.css")).text(), /** @type {HTMLElement} */ (document.querySelector("main"))];
  const copied = /** @type {HTMLElement} */ (main.cloneNode(true));
  const before = [...main.querySelectorAll("canvas")];
  [...copied.querySelectorAll("canvas")].forEach((canvas, index) => {
    const picture = document.createElement("img");
    picture.src = before[index].toDataURL();
    picture.alt = before[index].getAttribute("aria-label") ?? "";
    picture.className = canvas.className;
    picture.style.cssText = canvas.style.cssText;
    canvas.replaceWith(picture);
  });
  for (const gone of copied.querySelectorAll("[data-live], .tools, dialog, [role=status]")) gone.remove();
  for (const button of copied.querySelectorAll("button")) {
    const text = document.createElement("span");
    text.className = button.className;
    text.append(...button.childNodes);
    button.replaceWith(text);
  }
  for (const field of copied.querySelectorAll("input, select")) field.setAttribute("disabled", "");
  const title = document.title;
  const escape = (/** @type {string} */ text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const theme = document.documentElement.dataset.theme ? ` data-theme="${document.documentElement.dataset.theme}"` : "";
  const page = `<!doctype html>
<html lang="en"${theme}><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${escape(title)}</title><style>${style}</style></head>
<body class="saved"><header class="top"><strong>${escape(title)}</strong><span class="muted">saved from the tokenspace explorer, ${new Date().toISOString().slice(0, 16)}Z</span></header>
${copied.outerHTML}
<script type="application/json" id="data">${JSON.stringify(data ?? null).replaceAll("<", "\\u003c")}</script>
</body></html>
`;
  save(`${title}.html`, page, "text/html;charset=utf-8");
}
