/** Pointer, wheel and keys over the page grid. */
import type { Grid } from "./grid.ts";

export interface GridInputs {
  /** The view has changed. */
  moved(): void;
  /** The pointer is over another page; undefined for none. */
  hovered(page: number | undefined): void;
  /** A page is to stay; undefined for none. */
  chosen(page: number | undefined): void;
}

/** A press that moves less than this is a click. */
const CLICK_PIXELS_MAX = 4;
const WHEEL_FACTOR = 0.0016;
/** Pinching a touch pad comes as a wheel with smaller steps. */
const PINCH_FACTOR = 0.01;
export const ZOOM_STEP = 1.5;
const LINE_PIXELS = 16;

interface Point {
  readonly x: number;
  readonly y: number;
}

export function listenToPointers(grid: Grid, inputs: GridInputs): void {
  const { canvas, view } = grid;
  const pressed = new Map<number, Point>();
  let travelled = 0;

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (pressed.size === 0) travelled = 0;
    pressed.set(event.pointerId, { x: event.clientX, y: event.clientY });
    canvas.setPointerCapture(event.pointerId);
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = pressed.get(event.pointerId);
    if (!before) {
      inputs.hovered(grid.pageAt(event.clientX, event.clientY));
      return;
    }
    const now = { x: event.clientX, y: event.clientY };
    travelled += distance(before, now);
    const [other] = [...pressed].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (other) pinch(grid, other, before, now);
    else if (travelled >= CLICK_PIXELS_MAX) view.panBy(now.x - before.x, now.y - before.y);
    pressed.set(event.pointerId, now);
    canvas.classList.toggle("panning", travelled >= CLICK_PIXELS_MAX);
    inputs.moved();
  });

  canvas.addEventListener("pointerup", (event) => {
    if (pressed.delete(event.pointerId) && travelled < CLICK_PIXELS_MAX) {
      inputs.chosen(grid.pageAt(event.clientX, event.clientY));
    }
    canvas.classList.remove("panning");
  });
  canvas.addEventListener("pointercancel", (event) => void pressed.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => inputs.hovered(undefined));

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1;
      const step = event.ctrlKey ? PINCH_FACTOR : WHEEL_FACTOR;
      const [x, y] = grid.place(event.clientX, event.clientY);
      view.zoomAt(x, y, Math.exp(-event.deltaY * lines * step));
      inputs.moved();
      inputs.hovered(grid.pageAt(event.clientX, event.clientY));
    },
    { passive: false },
  );
}

/** Two fingers: one stays, the other goes from one place to the next. */
function pinch(grid: Grid, other: Point, before: Point, now: Point): void {
  const [x, y] = grid.place(other.x, other.y);
  const factor = distance(other, now) / Math.max(distance(other, before), 1);
  grid.view.zoomAt(x, y, factor);
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** @param chosen the page that arrows go on from */
export function listenToKeys(
  grid: Grid,
  inputs: GridInputs,
  chosen: () => number | undefined,
): void {
  const { canvas, view } = grid;
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -view.columns, ArrowDown: view.columns };
    const step = steps[event.key as keyof typeof steps];
    if (step !== undefined) {
      const from = chosen();
      const next = from === undefined ? middlePage(grid) : from + step;
      if (next >= 0 && next < view.pageCount) {
        view.show(next);
        inputs.chosen(next);
      }
    } else if (event.key === "Escape") {
      inputs.chosen(undefined);
    } else if (!zoomByKey(grid, event.key)) {
      return;
    }
    event.preventDefault();
    inputs.moved();
  });
}

function zoomByKey(grid: Grid, key: string): boolean {
  if (key === "+" || key === "=") zoomInMiddle(grid, ZOOM_STEP);
  else if (key === "-") zoomInMiddle(grid, 1 / ZOOM_STEP);
  else if (key === "0") grid.view.fit();
  else return false;
  return true;
}

/** @param around the page that stays where it is; without it the middle does */
export function zoomInMiddle(grid: Grid, factor: number, around?: number): void {
  const { view } = grid;
  const { width, height } = view.size;
  const middle = { left: width / 2, top: height / 2, width: 0 };
  const { left, top, width: side } = around === undefined ? middle : view.rectangleOf(around);
  view.zoomAt(left + side / 2, top + side / 2, factor);
}

function middlePage({ view }: Grid): number {
  const { width, height } = view.size;
  return view.pageAt(width / 2, height / 2) ?? 0;
}
