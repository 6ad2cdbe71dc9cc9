/** The footprint over time, by owner, with what was asked for as a line: a click goes to that time. */
import { PAGE_BYTES } from "../../address-layout.ts";
import { pageOwnerNames } from "../../page-owners.ts";
import type { PageHistory } from "../page-history.ts";
import { bytesText, countText } from "../quantity.ts";

const SVG = "http://www.w3.org/2000/svg";
/** Room for the texts. The style sheet has the scrubber in line with the left and right one. */
const LEFT = 74;
const RIGHT = 14;
const TOP = 8;
const BOTTOM = 18;
const MIB = 1024 ** 2;
const TICKS_MAX = 4;
/** From below; free and cached pages are no footprint. */
const ORDER = ["mempool", "half-page", "page", "large", "early", "debug"] as const;

export class Chart {
  readonly #place: HTMLElement;
  readonly #history: PageHistory;
  #cursor: SVGElement | undefined;
  #sample = 0;

  /** @param seek told of the sample that is pointed at */
  constructor(place: HTMLElement, history: PageHistory, seek: (sample: number) => void) {
    this.#place = place;
    this.#history = history;
    const seekTo = (event: PointerEvent): void => {
      if ((event.buttons & 1) === 0) return;
      const { left, width } = place.getBoundingClientRect();
      const share = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
      seek(Math.round(Math.min(Math.max(share, 0), 1) * this.#last));
    };
    place.addEventListener("pointerdown", (event) => {
      place.setPointerCapture(event.pointerId);
      seekTo(event);
    });
    place.addEventListener("pointermove", seekTo);
    this.draw();
  }

  /** Anew, for the present width. */
  draw(): void {
    const width = this.#place.clientWidth;
    const height = this.#place.clientHeight;
    const { samples, operations } = this.#history;
    const svg = shape("svg", { width, height, role: "img" });
    svg.setAttribute("aria-label", "Footprint over time, by owner, and bytes requested");
    const right = width - RIGHT;
    const bottom = height - BOTTOM;
    const most = Math.max(PAGE_BYTES, ...samples.map((sample) => sample.footprintBytes));
    const y = (bytes: number): number => bottom - (bytes / most) * (bottom - TOP);
    const x = (index: number): number => this.#x(index, width);

    for (const bytes of ticks(most)) {
      svg.append(shape("line", { class: "rule", x1: LEFT, x2: right, y1: y(bytes), y2: y(bytes) }));
      svg.append(label(bytesText(bytes), LEFT - 8, y(bytes) + 4, "end"));
    }
    const below = samples.map(() => 0);
    for (const owner of ORDER) {
      const code = pageOwnerNames.indexOf(owner);
      const lower = samples.map((_sample, index) => `${x(index)} ${y(below[index] ?? 0)}`);
      for (const [index, { pages }] of samples.entries()) {
        below[index] = (below[index] ?? 0) + (pages[code] ?? 0) * PAGE_BYTES;
      }
      const upper = samples.map((_sample, index) => `${x(index)} ${y(below[index] ?? 0)}`);
      const points = [...upper, ...lower.reverse()].join(" ");
      svg.append(shape("polygon", { class: `owner-${owner}`, points }));
    }
    const requested = samples.map((sample, index) => `${x(index)} ${y(sample.requestedBytes)}`);
    for (const kind of ["halo", "requested"]) {
      svg.append(shape("polyline", { class: kind, points: requested.join(" ") }));
    }
    svg.append(
      label("operation 0", LEFT, height - 4, "start"),
      label(countText(operations), right, height - 4, "end"),
    );
    this.#cursor = shape("line", { class: "cursor", y1: TOP - 4, y2: bottom });
    svg.append(this.#cursor);
    this.#place.replaceChildren(svg);
    this.show(this.#sample);
  }

  show(sample: number): void {
    this.#sample = sample;
    const x = String(this.#x(sample, this.#place.clientWidth));
    this.#cursor?.setAttribute("x1", x);
    this.#cursor?.setAttribute("x2", x);
  }

  get #last(): number {
    return Math.max(1, this.#history.samples.length - 1);
  }

  #x(sample: number, width: number): number {
    return LEFT + (sample / this.#last) * (width - LEFT - RIGHT);
  }
}

/** A few round quantities up to the largest. */
function ticks(most: number): number[] {
  let step = most < MIB ? 1024 : MIB;
  while (most / step > TICKS_MAX) step *= 2;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_none, index) => index * step);
}

function label(text: string, x: number, y: number, anchor: "start" | "end"): SVGElement {
  const element = shape("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}

function shape(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
