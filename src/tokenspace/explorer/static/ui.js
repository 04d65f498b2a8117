// What every view uses: Preact with htm, the three measures' names, and how numbers and tokens are written.
import { h, render, Fragment } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { render, Fragment };
export { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";

/**
 * @typedef {"euclidean" | "inner_product" | "cosine"} Measure
 * @typedef {{key: Measure, title: string, equation: string, short: string, letter: string, score: string}} MeasureName
 */

/** @type {MeasureName[]} */
export const MEASURES = [
  { key: "euclidean", title: "Euclidean distance", equation: "(9)", short: "euc", letter: "e", score: "distance" },
  { key: "inner_product", title: "Inner product", equation: "(10)", short: "inn", letter: "i", score: "product" },
  { key: "cosine", title: "Cosine similarity", equation: "(11)", short: "cos", letter: "c", score: "cosine" },
];

/**
 * A number as people read it: four decimals where they say something, five digits otherwise.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "undefined";
  const size = Math.abs(value);
  const text = size === 0 || (size >= 1e-3 && size < 1e5) ? value.toFixed(decimals) : Number(value.toPrecision(5)).toString();
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** @param {number} value */
export const count = (value) => value.toLocaleString("en-GB");

/** @param {number} value */
export const percent = (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;

/**
 * A token as it can be shown: nothing that hides, turns the line round or is taken for empty.
 * @param {string} token
 */
export function visible(token) {
  if (token === "") return "(empty)";
  return token
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\u200e\u200f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (half) => `\\x${(half.charCodeAt(0) & 0xff).toString(16)}`)
    .replace(/^ +| +$| {2,}/g, (spaces) => "␣".repeat(spaces.length))
    .replace(/\u00a0/g, "⍽");
}

/** A token in its own direction, so that Hebrew or Arabic turns nothing round it. @param {{token: string}} props */
export const Token = ({ token }) => html`<bdi class=${token === "" ? "token empty" : "token"}>${visible(token)}</bdi>`;

/**
 * How a row is asked for: by its token or, where that cannot be typed or would be read as something else, by its number.
 * @param {string} token
 * @param {number} id
 */
export function reference(token, id) {
  const strange = token === "" || /[\ud800-\udfff]/.test(token.replace(/[\ud800-\udbff][\udc00-\udfff]/g, "")) || token !== token.trim();
  return strange ? `#${id}` : token;
}

/** An argument as a shell takes it. @param {string} text */
export const quoted = (text) => (/^[\w.,/:@%+=-]+$/.test(text) && !text.startsWith("-") ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** A string as Python takes it. @param {string} text */
export const python = (text) => JSON.stringify(text);

/**
 * Do something in a task of its own after the next frame, whose paint is then done.
 * @param {() => void} work
 * @param {number} [wait] milliseconds more
 */
export const afterPaint = (work, wait = 0) => requestAnimationFrame(() => setTimeout(work, wait));

/** A short vector of letters for list keys and colours. @param {Measure} measure */
export const letterOf = (measure) => MEASURES.find((one) => one.key === measure)?.letter ?? "e";

/**
 * Width and height of an element, and again whenever they change.
 * @param {{current: Element | null}} ref
 * @param {(width: number, height: number) => void} told
 * @returns {() => void}
 */
export function watchSize(ref, told) {
  const element = ref.current;
  if (!element) return () => {};
  const look = () => told(element.clientWidth, element.clientHeight);
  const observer = new ResizeObserver(look);
  observer.observe(element);
  look();
  return () => observer.disconnect();
}
