// The lecture's exercises on fresh numbers; answers in any equal form, marked exactly, with a hint that names the equation.
import { ask } from "../api.js";
import { html, python, useEffect, useRef, useState } from "../ui.js";
import { place, show } from "../state.js";
import { Command } from "./command.js";

export function Practice() {
  const [asked, setAsked] = useState(/** @type {any} */ (null));
  const [verdict, setVerdict] = useState(/** @type {any} */ (null));
  const [wrong, setWrong] = useState("");
  const [score, setScore] = useState({ right: 0, all: 0 });
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const { kind = "", level = "" } = place.value;
  const seed = Number.parseInt(place.value.seed, 10) || 1;
  useEffect(() => {
    setVerdict(null);
    ask("/practice", { kind, seed, level }).then((next) => { setAsked(next); setWrong(""); if (box.current) box.current.value = ""; }, (error) => setWrong(error.message));
  }, [kind, level, seed]);
  const next = () => { show({ seed: String(1 + Math.floor(Math.random() * 1e9)) }, { push: true }); box.current?.focus(); };
  const mark = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!box.current?.value.trim()) return;
    try {
      const said = await ask("/practice", { kind, seed, level, answer: box.current.value }, { post: true });
      if (!verdict?.correct) setScore((last) => ({ right: last.right + (said.correct ? 1 : 0), all: last.all + 1 }));
      setVerdict(said);
      setWrong("");
    } catch (error) {
      setWrong(`${/** @type {any} */ (error).message} ${/** @type {any} */ (error).hint ?? ""}`);
    }
  };
  const form = { number: "a number: 4*sqrt(3), -3/(2 sqrt(21)), 5.099", vector: "a vector: (2, -1, 3)", shape: "a shape: 3 x 5" };
  return html`<section class="card practice-card" aria-labelledby="practice-title">
    <div class="card-head"><h1 id="practice-title">Practice</h1><div class="tools"><span role="status">${score.all > 0 ? `${score.right} of ${score.all} right` : ""}</span>
      ${asked && html`<${Command} title="The same exercise" lines=${[`practice.problem(${python(asked.kind)}, seed=${asked.seed}, difficulty=${python(asked.level)})`]} />`}</div></div>
    ${asked && html`<div class="map-head"><label class="field">Exercise<select value=${asked.kind} onChange=${(/** @type {Event} */ event) => show({ kind: /** @type {HTMLSelectElement} */ (event.target).value }, { push: true })}>${Object.entries(asked.kinds).map(([key, title]) => html`<option key=${key} value=${key}>${title}</option>`)}</select></label>
      <label class="field">Level<select value=${asked.level} onChange=${(/** @type {Event} */ event) => show({ level: /** @type {HTMLSelectElement} */ (event.target).value }, { push: true })}>${asked.levels.map((/** @type {string} */ one) => html`<option key=${one}>${one}</option>`)}</select></label></div>
    <p class="question" id="question">${asked.question}</p>
    <form class="answer-row" onSubmit=${mark}><input ref=${box} type="text" aria-label="Your answer" aria-describedby="question" placeholder=${form[/** @type {keyof typeof form} */ (asked.form)] ?? ""} autocomplete="off" spellcheck=${false} /><button type="submit" class="primary">Check</button><button type="button" onClick=${next}>New numbers</button></form>`}
    ${wrong && html`<p class="problem" role="alert" style="margin-top:10px">${wrong}</p>`}
    <div aria-live="polite">${verdict && html`<div class=${verdict.correct ? "verdict right" : "verdict"}><b>${verdict.correct ? "Right." : "Not yet."}</b> ${verdict.said}${verdict.equation !== null && !verdict.said.includes(`(${verdict.equation})`) ? html` <span class="muted">See equation (${verdict.equation}).</span>` : ""}
      ${!verdict.correct ? html`<details><summary>Show the answer and its steps</summary><${Steps} verdict=${verdict} /></details>` : html`<${Steps} verdict=${verdict} />`}</div>`}</div>
  </section>`;
}

/** @param {{verdict: any}} props */
const Steps = ({ verdict }) => html`<p style="margin-top:8px">Exactly: <b>${verdict.exact}</b></p><ol class="steps">${verdict.steps.map((/** @type {any} */ step, /** @type {number} */ i) => html`<li key=${i}>${step.text} <span class="eq">(${step.equation})</span></li>`)}</ol>`;
