/** Draws the page grid: the part that the view has, with physical addresses beside the rows. */
import { PAGE_BYTES } from "../../address-layout.ts";
import { ownerLetter } from "../owner-marks.ts";
import type { HistoryReader } from "../page-history.ts";
import { context2d } from "./canvas-context.ts";
import { type Colours, inkOn, paletteOf } from "./colours.ts";
import { GridView, type Size } from "./grid-view.ts";
import { PageImage } from "./page-image.ts";

/** Pages of this width and more are told apart by lines, by letters. */
const LINES_FROM = 5;
const LETTERS_FROM = 18;
const LETTER_HEIGHT_MAX = 15;
/** Between two addresses at the left. */
const LABEL_HEIGHT = 22;
const LABEL_HALF = 7;
const LABEL_FONT = "11px ui-monospace, monospace";
const GAP = 10;
const HEX_DIGITS_MIN = 8;

export interface Marks {
  /** Under the pointer. */
  readonly hovered: number | undefined;
  /** Chosen to stay. */
  readonly chosen: number | undefined;
}

export class Grid {
  readonly canvas: HTMLCanvasElement;
  readonly view: GridView;
  /** Room for the addresses. */
  readonly gutter: number;
  readonly #reader: HistoryReader;
  readonly #image: PageImage;
  readonly #digits: number;
  #colours: Colours;

  constructor(canvas: HTMLCanvasElement, reader: HistoryReader, colours: Colours) {
    this.canvas = canvas;
    this.#reader = reader;
    this.#colours = colours;
    const { pageCount } = reader.history;
    this.#digits = Math.max(HEX_DIGITS_MIN, (pageCount * PAGE_BYTES - 1).toString(16).length);
    const context = context2d(canvas);
    context.font = LABEL_FONT;
    this.gutter = Math.ceil(context.measureText(this.#addressOf(0)).width) + 2 * GAP;
    this.view = new GridView(pageCount, this.#room());
    this.#image = new PageImage(this.view.columns, this.view.rows);
  }

  /** The owners, or their colours, are others now. */
  update(colours: Colours, shown: ReadonlySet<number> | undefined): void {
    this.#colours = colours;
    this.#image.update(this.#reader.codes, paletteOf(colours, shown));
  }

  resize(): void {
    this.view.resize(this.#room());
  }

  /** @param x as the pointer's events have it, from the left of the window */
  pageAt(x: number, y: number): number | undefined {
    const [left, top] = this.place(x, y);
    return left < 0 ? undefined : this.view.pageAt(left, top);
  }

  /** From the pointer's place in the window to that in the view. */
  place(x: number, y: number): [number, number] {
    const { left, top } = this.canvas.getBoundingClientRect();
    return [x - left - this.gutter, y - top];
  }

  draw({ hovered, chosen }: Marks): void {
    const { canvas, view } = this;
    const { clientWidth, clientHeight } = canvas;
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = context2d(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = this.#colours.background;
    context.fillRect(0, 0, clientWidth, clientHeight);
    context.save();
    context.beginPath();
    context.rect(this.gutter, 0, clientWidth - this.gutter, clientHeight);
    context.clip();
    context.translate(this.gutter, 0);
    this.#drawPages(context, ratio);
    if (view.scale >= LINES_FROM) this.#drawLines(context);
    if (view.scale >= LETTERS_FROM) this.#drawLetters(context);
    if (hovered !== undefined && hovered !== chosen) this.#drawMark(context, hovered, 1);
    if (chosen !== undefined) this.#drawMark(context, chosen, 2);
    context.restore();
    this.#drawLabels(context);
    // Where pages are on the canvas, for tests of the picture.
    const { columns, scale, left, top } = view;
    canvas.dataset["view"] = JSON.stringify({ columns, scale, left: left + this.gutter, top });
  }

  #drawPages(context: CanvasRenderingContext2D, ratio: number): void {
    const { view } = this;
    const { first, last } = this.#seenRows();
    const { left: firstColumn, right: lastColumn } = this.#seenColumns();
    // The largest blocks that are no larger than a pixel of the screen.
    const level = Math.max(0, Math.floor(Math.log2(1 / (view.scale * ratio))));
    const block = 2 ** level;
    context.imageSmoothingEnabled = view.scale * ratio < 1;
    context.imageSmoothingQuality = "high";
    context.drawImage(
      this.#image.level(level),
      firstColumn / block,
      first / block,
      (lastColumn - firstColumn) / block,
      (last - first) / block,
      view.left + firstColumn * view.scale,
      view.top + first * view.scale,
      (lastColumn - firstColumn) * view.scale,
      (last - first) * view.scale,
    );
  }

  /** Gaps of the background between the pages. */
  #drawLines(context: CanvasRenderingContext2D): void {
    const { view } = this;
    const { first, last } = this.#seenRows();
    const { left, right } = this.#seenColumns();
    context.fillStyle = this.#colours.background;
    const begin = { x: view.left + left * view.scale, y: view.top + first * view.scale };
    const end = { x: view.left + right * view.scale, y: view.top + last * view.scale };
    for (let column = left; column <= right; column += 1) {
      context.fillRect(view.left + column * view.scale - 0.5, begin.y, 1, end.y - begin.y);
    }
    for (let row = first; row <= last; row += 1) {
      context.fillRect(begin.x, view.top + row * view.scale - 0.5, end.x - begin.x, 1);
    }
  }

  #drawLetters(context: CanvasRenderingContext2D): void {
    const { view } = this;
    const { codes } = this.#reader;
    const { first, last } = this.#seenRows();
    const { left, right } = this.#seenColumns();
    const inks = this.#colours.owners.map(inkOn);
    const height = Math.min(Math.round(view.scale * 0.5), LETTER_HEIGHT_MAX);
    context.font = `${height}px ui-monospace, monospace`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = first; row < last; row += 1) {
      for (let column = left; column < right; column += 1) {
        const code = codes[row * view.columns + column] ?? 0;
        if (code === 0) continue;
        const x = view.left + (column + 0.5) * view.scale;
        context.fillStyle = inks[code] ?? this.#colours.ink;
        context.fillText(ownerLetter(code), x, view.top + (row + 0.54) * view.scale);
      }
    }
  }

  #drawMark(context: CanvasRenderingContext2D, page: number, width: number): void {
    const { left, top, width: side } = this.view.rectangleOf(page);
    const size = Math.max(side, 5);
    const x = left - (size - side) / 2;
    const y = top - (size - side) / 2;
    context.lineWidth = width + 2;
    context.strokeStyle = this.#colours.background;
    context.strokeRect(x, y, size, size);
    context.lineWidth = width;
    context.strokeStyle = this.#colours.ink;
    context.strokeRect(x, y, size, size);
  }

  /** The physical address at the begin of a row, where there is room. */
  #drawLabels(context: CanvasRenderingContext2D): void {
    const { view } = this;
    const { first, last } = this.#seenRows();
    const step = 2 ** Math.max(0, Math.ceil(Math.log2(LABEL_HEIGHT / view.scale)));
    context.font = LABEL_FONT;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = this.#colours.muted;
    for (let row = Math.ceil(first / step) * step; row < last; row += step) {
      const middle = view.top + (row + 0.5) * view.scale;
      if (middle < 0 || middle > view.size.height) continue;
      const y = Math.min(Math.max(middle, LABEL_HALF), view.size.height - LABEL_HALF);
      context.fillText(this.#addressOf(row), this.gutter - GAP + Math.max(0, view.left), y);
    }
  }

  #addressOf(row: number): string {
    const columns = this.view?.columns ?? 0;
    return `0x${(row * columns * PAGE_BYTES).toString(16).padStart(this.#digits, "0")}`;
  }

  #seenRows(): { readonly first: number; readonly last: number } {
    const { top, scale, rows, size } = this.view;
    const first = Math.max(0, Math.floor(-top / scale));
    return { first, last: Math.min(rows, Math.ceil((size.height - top) / scale)) };
  }

  #seenColumns(): { readonly left: number; readonly right: number } {
    const { left, scale, columns, size } = this.view;
    const first = Math.max(0, Math.floor(-left / scale));
    return { left: first, right: Math.min(columns, Math.ceil((size.width - left) / scale)) };
  }

  #room(): Size {
    const { clientWidth, clientHeight } = this.canvas;
    return { width: Math.max(1, clientWidth - this.gutter), height: Math.max(1, clientHeight) };
  }
}
