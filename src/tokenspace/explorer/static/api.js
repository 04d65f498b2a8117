// Asking the explorer's own server, and nobody else: documents as JSON, columns as raw bytes.

/** What a server said instead of an answer. */
export class Refused extends Error {
  /** @param {number} status @param {{type?: string, message?: string, hint?: string}} error */
  constructor(status, error) {
    super(error.message ?? `the server answered ${status}`);
    this.status = status;
    this.kind = error.type ?? "";
    this.hint = error.hint ?? "";
  }
}

/**
 * @typedef {Record<string, string | number | boolean | (string | number)[]>} Params
 * @typedef {{ask: (path: string, params: Params, options?: {signal?: AbortSignal, post?: boolean}) => Promise<any>,
 *   column: (path: string, params: Params, signal?: AbortSignal) => Promise<{header: any, data: ArrayBuffer}>}} Transport
 */

/** @param {Params} params */
function query(params) {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    for (const one of Array.isArray(value) ? value : [value]) given.append(name, String(one));
  return given.toString();
}

/** An answer that early.js asked for, good for one question. @param {string} address @returns {Promise<Response> | undefined} */
function taken(address) {
  const early = /** @type {any} */ (globalThis).tokenspaceEarly ?? {};
  const answer = early[address];
  delete early[address];
  return answer;
}

/** @param {string} path @param {Params} params @param {{signal?: AbortSignal, post?: boolean}} [options] */
async function request(path, params, options = {}) {
  const address = `/api/v1${path}${options.post ? "" : `?${query(params)}`}`;
  const init = options.post ? { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(params) } : {};
  /** @type {Response} */
  let response;
  try {
    response = await (taken(address) ?? fetch(address, { ...init, signal: options.signal, credentials: "same-origin" }));
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, { message: "the explorer does not answer", hint: "was it stopped? start tokenspace explore again" });
  }
  if (!response.ok) throw new Refused(response.status, (await response.json().catch(() => ({}))).error ?? {});
  return response;
}

/** How the page asks: over HTTP. A notebook puts its own way here. @type {Transport} */
let transport = {
  ask: async (path, params, options) => (await request(path, params, options)).json(),
  async column(path, params, signal) {
    const response = await request(path, params, { signal });
    return { header: JSON.parse(response.headers.get("x-column") ?? "{}"), data: await response.arrayBuffer() };
  },
};

/** @param {Transport} other */
export const askBy = (other) => {
  transport = other;
};

/** @type {Transport["ask"]} */
export const ask = (path, params, options) => transport.ask(path, params, options);

/** A column: its bytes, and what they mean. @type {Transport["column"]} */
export const column = (path, params, signal) => transport.column(path, params, signal);

/** A runner that forgets the question before: only the newest answer comes through. */
export function latest() {
  let running = new AbortController();
  return {
    /**
     * @template R
     * @param {(signal: AbortSignal) => Promise<R>} work
     * @returns {Promise<R | undefined>} nothing, where a newer question came between
     */
    async run(work) {
      running.abort();
      const mine = (running = new AbortController());
      try {
        const answer = await work(mine.signal);
        return mine.signal.aborted ? undefined : answer;
      } catch (error) {
        if (mine.signal.aborted) return undefined;
        throw error;
      }
    },
  };
}
