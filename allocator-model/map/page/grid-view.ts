/**
 * Which part of the page grid is seen: pages lie in rows, in order of their address. Lengths are CSS pixels, from
 * the left upper corner of the picture. Pure.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rectangle extends Size {
  readonly left: number;
  readonly top: number;
}

/** One page is at most so wide. */
const SCALE_MAX = 64;
/** Where all of memory is seen, pages of small memories are no larger than this. */
const FIT_SCALE_MAX = 32;
const COLUMNS_MIN = 8;

export class GridView {
  readonly pageCount: number;
  /** A power of two, so that addresses at the begin of rows are round. */
  readonly columns: number;
  readonly rows: number;
  /** Width of a page. */
  scale = 1;
  /** Place of page 0. */
  left = 0;
  top = 0;
  #size: Size;

  /** All of memory is seen at first. */
  constructor(pageCount: number, size: Size) {
    this.pageCount = pageCount;
    this.#size = size;
    this.columns = columnsFor(pageCount, size);
    this.rows = Math.ceil(pageCount / this.columns);
    this.fit();
  }

  get size(): Size {
    return this.#size;
  }

  get isFitted(): boolean {
    return this.scale <= this.#fitScale();
  }

  fit(): void {
    this.scale = this.#fitScale();
    this.#limit();
  }

  /** What was all of memory stays all of it. */
  resize(size: Size): void {
    const { isFitted } = this;
    this.#size = size;
    if (isFitted) this.fit();
    else this.#zoomTo(this.scale, size.width / 2, size.height / 2);
  }

  /** What is under the point stays there. */
  zoomAt(x: number, y: number, factor: number): void {
    this.#zoomTo(this.scale * factor, x, y);
  }

  panBy(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.#limit();
  }

  /** @returns undefined where no page is */
  pageAt(x: number, y: number): number | undefined {
    const column = Math.floor((x - this.left) / this.scale);
    const row = Math.floor((y - this.top) / this.scale);
    if (column < 0 || column >= this.columns || row < 0) return undefined;
    const page = row * this.columns + column;
    return page < this.pageCount ? page : undefined;
  }

  rectangleOf(page: number): Rectangle {
    const { scale, columns } = this;
    return {
      left: this.left + (page % columns) * scale,
      top: this.top + Math.floor(page / columns) * scale,
      width: scale,
      height: scale,
    };
  }

  /** Pans as far as needed for the page to be seen. */
  show(page: number): void {
    const { left, top, width, height } = this.rectangleOf(page);
    this.panBy(
      shift(left, left + width, this.#size.width),
      shift(top, top + height, this.#size.height),
    );
  }

  #zoomTo(scale: number, x: number, y: number): void {
    const next = Math.min(Math.max(scale, this.#fitScale()), SCALE_MAX);
    const factor = next / this.scale;
    this.left = x - (x - this.left) * factor;
    this.top = y - (y - this.top) * factor;
    this.scale = next;
    this.#limit();
  }

  #fitScale(): number {
    const { width, height } = this.#size;
    return Math.min(width / this.columns, height / this.rows, FIT_SCALE_MAX);
  }

  /** What is smaller than the picture is in its middle; what is larger leaves no gap. */
  #limit(): void {
    this.left = limited(this.left, this.columns * this.scale, this.#size.width);
    this.top = limited(this.top, this.rows * this.scale, this.#size.height);
  }
}

/** As many that pages are as large as they can be when all of them are seen. */
function columnsFor(pageCount: number, { width, height }: Size): number {
  let best = COLUMNS_MIN;
  const scaleOf = (columns: number): number =>
    Math.min(width / columns, height / Math.ceil(pageCount / columns));
  for (let columns = COLUMNS_MIN; columns < pageCount * 2; columns *= 2) {
    if (scaleOf(columns) > scaleOf(best)) best = columns;
  }
  return best;
}

function limited(begin: number, length: number, room: number): number {
  if (length <= room) return (room - length) / 2;
  return Math.min(0, Math.max(begin, room - length));
}

function shift(begin: number, end: number, room: number): number {
  if (begin < 0) return -begin;
  return end > room ? room - end : 0;
}
