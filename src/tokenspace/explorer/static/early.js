// Asks for the first list and the tables before the page's modules are there; api.js takes the answers up.
{
  const place = new URLSearchParams(location.hash.slice(1));
  const near = new URLSearchParams();
  const k = Math.min(200, Math.max(1, Number.parseInt(place.get("k") ?? "", 10) || 12));
  for (const [name, value] of Object.entries({ t: place.get("t") ?? "", q: place.get("q") ?? "", k, include_query: place.get("self") === "1" }))
    near.append(name, String(value));
  /** @type {Record<string, Promise<Response>>} */
  const early = {};
  for (const address of [`/api/v1/near?${near}`, "/api/v1/tables?"]) {
    early[address] = fetch(address, { credentials: "same-origin" });
    early[address].catch(() => {}); // told where it is taken up
  }
  Object.assign(globalThis, { tokenspaceEarly: early });
}
