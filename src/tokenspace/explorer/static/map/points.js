// The points of a map: all rows, drawn by WebGL2 or, where there is none, pixel by pixel. Both take the same columns and the same camera.

/**
 * @typedef {{x: number, y: number, zoom: number}} Camera  middle of the view in 0..1 of the map, and pixels that the whole map takes
 * @typedef {{size: number, alpha: number, limit: number, dark: boolean}} Look
 */

const VERTEX = `#version 300 es
layout(location = 0) in vec2 place;
layout(location = 1) in float shade;
uniform vec4 view;
uniform float size;
uniform highp sampler2D palette;
out vec4 tint;
void main() {
  gl_Position = vec4(place * view.xy + view.zw, 0.0, 1.0);
  gl_PointSize = size;
  tint = texelFetch(palette, ivec2(int(shade * 255.0 + 0.5), 0), 0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 tint;
out vec4 colour;
void main() { colour = vec4(tint.rgb * tint.a, tint.a); }`;

/** Points by WebGL2. A part of them is drawn by reading every m-th, so that the part is spread like the whole. */
export class GlPoints {
  kind = "webgl2";

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, preserveDrawingBuffer: true, powerPreference: "high-performance" });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    this.canvas = canvas;
    this.n = 0;
    const program = /** @type {WebGLProgram} */ (gl.createProgram());
    for (const [kind, text] of /** @type {[number, string][]} */ ([[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]])) {
      const shader = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "the shaders do not link");
    gl.useProgram(program);
    this.view = gl.getUniformLocation(program, "view");
    this.size = gl.getUniformLocation(program, "size");
    this.places = gl.createBuffer();
    this.shades = gl.createBuffer();
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.enableVertexAttribArray(0);
  }

  /** @param {Uint16Array<ArrayBuffer>} places x and y of each row, 0..65535 */
  setPlaces(places) {
    this.n = places.length / 2;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.places);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, places, this.gl.STATIC_DRAW);
  }

  /** @param {Uint8Array<ArrayBuffer> | null} shades one byte a row, or null for one colour */
  setShades(shades) {
    const gl = this.gl;
    if (shades) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.shades);
      gl.bufferData(gl.ARRAY_BUFFER, shades, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(1);
    } else {
      gl.disableVertexAttribArray(1);
      gl.vertexAttrib1f(1, 0);
    }
    this.shaded = Boolean(shades);
  }

  /** @param {Uint8Array<ArrayBuffer>} palette 256 colours, RGBA @param {number} alpha */
  setPalette(palette, alpha) {
    const gl = this.gl;
    const faded = new Uint8Array(palette);
    for (let i = 3; i < faded.length; i += 4) faded[i] = Math.round(palette[i] * alpha);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, faded);
  }

  /** @param {Camera} camera @param {Look} look @returns {number} points drawn */
  draw(camera, look) {
    const gl = this.gl;
    const { width, height } = this.canvas;
    const ratio = width / Math.max(1, this.canvas.clientWidth || width);
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const [sx, sy] = [(2 * camera.zoom * ratio) / width, (2 * camera.zoom * ratio) / height];
    gl.uniform4f(this.view, sx, sy, -camera.x * sx, -camera.y * sy);
    gl.uniform1f(this.size, Math.max(1, look.size * ratio));
    const step = Math.max(1, Math.min(63, Math.ceil(this.n / look.limit))); // a stride is at most 255 bytes
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.vertexAttribPointer(0, 2, gl.UNSIGNED_SHORT, true, 4 * step, 0);
    if (this.shaded) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.shades);
      gl.vertexAttribPointer(1, 1, gl.UNSIGNED_BYTE, true, step, 0);
    }
    const drawn = Math.min(Math.ceil(this.n / step), look.limit);
    gl.drawArrays(gl.POINTS, 0, drawn);
    return drawn;
  }

  /** Wait until all that was asked for is drawn; for measuring. */
  finish() {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  gone() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/** Points without WebGL: counted into the pixels of an image. */
export class PixelPoints {
  kind = "canvas2d";

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.paper = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.n = 0;
    /** @type {Uint16Array} */
    this.places = new Uint16Array(0);
    /** @type {Uint8Array | null} */
    this.shades = null;
    /** @type {Uint8Array} */
    this.palette = new Uint8Array(1024);
    this.alpha = 1;
  }

  /** @param {Uint16Array} places */
  setPlaces(places) {
    this.places = places;
    this.n = places.length / 2;
  }

  /** @param {Uint8Array | null} shades */
  setShades(shades) {
    this.shades = shades;
  }

  /** @param {Uint8Array} palette @param {number} alpha */
  setPalette(palette, alpha) {
    this.palette = palette;
    this.alpha = alpha;
  }

  /** @param {Camera} camera @param {Look} look */
  draw(camera, look) {
    const { width, height } = this.canvas;
    if (!width || !height) return 0;
    const ratio = width / Math.max(1, this.canvas.clientWidth || width);
    const image = this.paper.createImageData(width, height);
    const data = image.data;
    const step = Math.max(1, Math.ceil(this.n / look.limit));
    const scale = (camera.zoom * ratio) / 65535;
    const [left, top] = [width / 2 - camera.x * camera.zoom * ratio, height / 2 + camera.y * camera.zoom * ratio];
    const side = Math.max(1, Math.round(look.size * ratio));
    const { places, shades, palette, alpha } = this;
    let drawn = 0;
    for (let i = 0; i < this.n; i += step) {
      drawn++;
      const x0 = Math.round(left + places[2 * i] * scale - side / 2);
      const y0 = Math.round(top - places[2 * i + 1] * scale - side / 2);
      if (x0 < 0 || y0 < 0 || x0 + side > width || y0 + side > height) continue;
      const shade = 4 * (shades ? shades[i] : 0);
      const own = alpha * (palette[shade + 3] / 255);
      for (let y = y0; y < y0 + side; y++)
        for (let at = 4 * (y * width + x0), end = at + 4 * side; at < end; at += 4) {
          const under = data[at + 3] / 255;
          const over = own + under * (1 - own);
          for (let c = 0; c < 3; c++) data[at + c] = (palette[shade + c] * own + data[at + c] * under * (1 - own)) / over;
          data[at + 3] = 255 * over;
        }
    }
    this.paper.putImageData(image, 0, 0);
    return drawn;
  }

  finish() {}

  gone() {}
}

/** @param {HTMLCanvasElement} canvas @param {boolean} [plain] without WebGL @returns {GlPoints | PixelPoints} */
export function pointsOn(canvas, plain = false) {
  if (!plain) {
    try {
      return new GlPoints(canvas);
    } catch (error) {
      if (canvas.dataset.tried) throw error;
      console.info(`The map is drawn without WebGL2: ${error instanceof Error ? error.message : error}`);
    }
  }
  return new PixelPoints(canvas);
}

/** Rows by the cell they are in, to find the one under a pointer and those in a view. */
export class Grid {
  static SIDE = 256;

  /** @param {Uint16Array} places */
  constructor(places) {
    this.places = places;
    const n = places.length / 2;
    this.starts = new Uint32Array(Grid.SIDE * Grid.SIDE + 1);
    const cells = new Uint16Array(n);
    for (let i = 0; i < n; i++) this.starts[(cells[i] = ((places[2 * i + 1] >> 8) << 8) | (places[2 * i] >> 8)) + 1]++;
    for (let c = 0; c < Grid.SIDE * Grid.SIDE; c++) this.starts[c + 1] += this.starts[c];
    this.ids = new Uint32Array(n);
    const next = this.starts.slice();
    for (let i = 0; i < n; i++) this.ids[next[cells[i]]++] = i;
  }

  /**
   * The row nearest to a place of the map, within a reach; all in 0..65535.
   * @param {number} x @param {number} y @param {number} reach
   */
  nearest(x, y, reach) {
    const low = (/** @type {number} */ v) => Math.max(0, Math.floor((v - reach) / 256));
    const high = (/** @type {number} */ v) => Math.min(Grid.SIDE - 1, Math.floor((v + reach) / 256));
    let [best, found] = [reach * reach, -1];
    for (let row = low(y); row <= high(y); row++)
      for (let cell = row * Grid.SIDE + low(x); cell <= row * Grid.SIDE + high(x); cell++)
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at++) {
          const id = this.ids[at];
          const distance = (this.places[2 * id] - x) ** 2 + (this.places[2 * id + 1] - y) ** 2;
          if (distance < best) [best, found] = [distance, id];
        }
    return found;
  }
}
