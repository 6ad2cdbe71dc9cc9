/**
 * The pages as a picture with a pixel for each, and smaller ones of it: in each next level a pixel is the mean
 * of a block of 2 by 2. Whatever part is seen, a level has about as many pixels as the screen.
 */
import { context2d } from "./canvas-context.ts";

export class PageImage {
  readonly #columns: number;
  readonly #rows: number;
  readonly #pixels: ImageData;
  readonly #words: Uint32Array;
  readonly #levels: HTMLCanvasElement[] = [];
  /** Levels up to this one show the present owners. */
  #drawn = -1;

  constructor(columns: number, rows: number) {
    this.#columns = columns;
    this.#rows = rows;
    this.#pixels = new ImageData(columns, rows);
    this.#words = new Uint32Array(this.#pixels.data.buffer);
  }

  /** @param palette by code */
  update(codes: Uint8Array, palette: Uint32Array): void {
    const words = this.#words;
    for (let page = 0; page < codes.length; page += 1) words[page] = palette[codes[page] ?? 0] ?? 0;
    context2d(this.#canvas(0)).putImageData(this.#pixels, 0, 0);
    this.#drawn = 0;
  }

  /** The picture where a pixel stands for 2^level by 2^level pages. */
  level(level: number): HTMLCanvasElement {
    while (this.#drawn < level) {
      const from = this.#canvas(this.#drawn);
      this.#drawn += 1;
      const to = this.#canvas(this.#drawn);
      const context = context2d(to);
      context.clearRect(0, 0, to.width, to.height);
      context.drawImage(from, 0, 0, from.width / 2, from.height / 2);
    }
    return this.#canvas(level);
  }

  #canvas(level: number): HTMLCanvasElement {
    const made = this.#levels[level];
    if (made) return made;
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(this.#columns / 2 ** level);
    canvas.height = Math.ceil(this.#rows / 2 ** level);
    this.#levels[level] = canvas;
    return canvas;
  }
}
