// Colours of the points: scales that grow evenly in lightness, and twelve groups that can be told apart.

const SCALE = [[0x2d, 0x17, 0x6b], [0x4b, 0x39, 0x9c], [0x3f, 0x6f, 0xb0], [0x2f, 0x9a, 0xa0], [0x5b, 0xbb, 0x77], [0xc3, 0xcf, 0x4d], [0xf2, 0xd0, 0x3b]];
const GROUPS = ["#3b6fb6", "#d9792b", "#2f9e77", "#c34a5a", "#8a63d2", "#8b6b4a", "#d46fb0", "#7a8a2e", "#2fa3b8", "#b59a1f", "#5b5f97", "#6f7a8a"];

/** @param {string} hex */
const rgb = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

/**
 * 256 colours as RGBA bytes.
 * @param {{kind: string} | null} header of the column shown, or null for one colour
 * @param {boolean} dark
 */
export function palette(header, dark) {
  const bytes = new Uint8Array(1024);
  const plain = dark ? [0xb9, 0xc0, 0xcc] : [0x3a, 0x40, 0x4c];
  for (let i = 0; i < 256; i++) {
    let colour = plain;
    if (header?.kind === "groups") colour = i === 255 ? plain : rgb(GROUPS[i % GROUPS.length]);
    else if (header?.kind === "scale" && i < 255) {
      const at = (i / 254) * (SCALE.length - 1);
      const low = Math.min(SCALE.length - 2, Math.floor(at));
      colour = [0, 1, 2].map((c) => SCALE[low][c] + (at - low) * (SCALE[low + 1][c] - SCALE[low][c]));
    }
    bytes.set([...colour, 255], 4 * i);
  }
  return bytes;
}

export const gradient = `linear-gradient(90deg, ${SCALE.map((c) => `rgb(${c.join(" ")})`).join(", ")})`;
/** @param {number} index */
export const group = (index) => GROUPS[index % GROUPS.length];
