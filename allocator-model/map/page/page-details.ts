/** What is known of one page: its place, its owner and since when, and all its virtual addresses. */
import { encodeAddress, hex } from "../../address.ts";
import { layouts, PAGE_BYTES } from "../../address-layout.ts";
import { pageOwnerNames } from "../../page-owners.ts";
import { areaOfOwner, ownerLetter, ownerUses } from "../owner-marks.ts";
import { courseOf, type HistoryReader, type PageHistory, pageRuns } from "../page-history.ts";
import { countText } from "../quantity.ts";
import { html } from "./html.ts";

export function showPage(place: HTMLElement, reader: HistoryReader, page: number): void {
  const { history, codes, since } = reader;
  const code = codes[page] ?? 0;
  const owner = pageOwnerNames[code] ?? "free";
  const begin = BigInt(page) * BigInt(PAGE_BYTES);
  const end = begin + BigInt(PAGE_BYTES - 1);
  const swatch = html("span", { className: `swatch owner-${owner}`, text: ownerLetter(code) });
  const facts = html("dl", {}, [
    ...fact("Owner", [swatch, html("span", { text: owner }), note(ownerUses[owner])]),
    ...fact("Since", [html("span", { text: sinceText(history, since[page] ?? 0) })]),
    ...fact("Physical", [html("code", { text: `${hex(begin)} to ${hex(end)}` })]),
  ]);
  place.replaceChildren(
    html("h2", { text: `Page ${countText(page)}` }),
    facts,
    courseBar(reader, page),
    html("h3", { text: "Virtual addresses" }),
    addresses(history, owner, begin),
  );
}

export function showNoPage(place: HTMLElement): void {
  place.replaceChildren(
    html("h2", { text: "Page" }),
    html("p", { className: "hint", text: "Point at a page, or click one to keep it." }),
  );
}

/** The owners over time, and where that time is now. */
function courseBar({ history, sample }: HistoryReader, page: number): HTMLElement {
  const course = courseOf(history, page);
  const stops = [...pageRuns(course)].map(({ first, pages, code }) => {
    const colour = `var(--owner-${pageOwnerNames[code] ?? "free"})`;
    return `${colour} ${share(first, course)}% ${share(first + pages, course)}%`;
  });
  const cursor = html("span");
  cursor.style.left = `calc(${share(sample + 0.5, course)}% - 1px)`;
  const bar = html("div", { className: "course" }, [cursor]);
  bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  bar.title = "Its owners over time";
  return bar;
}

function share(part: number, { length }: Uint8Array): number {
  return (part / length) * 100;
}

/** The page in each area that maps all of memory; that of its owner is the one objects are known by. */
function addresses(
  { scheme }: PageHistory,
  owner: (typeof pageOwnerNames)[number],
  physical: bigint,
): HTMLElement {
  const layout = layouts[scheme];
  const own = areaOfOwner(layout, owner);
  const rows = layout.areas.flatMap(({ name, mapping }, number) => {
    if (mapping !== "identity") return [];
    const address = html("code", { text: hex(encodeAddress(layout, number, physical)) });
    const cells = [html("th", { text: name }), html("td", {}, [address])];
    const row = html("tr", { className: number === own ? "own" : "alias" }, cells);
    row.title = number === own ? "Its objects have addresses here" : "The same memory, an alias";
    return [row];
  });
  if (own !== undefined && layout.areas[own]?.mapping === "table") {
    const text = "somewhere: only the page table knows";
    const cells = [html("th", { text: owner }), html("td", { text })];
    rows.push(html("tr", { className: "own" }, cells));
  }
  return html("table", {}, rows);
}

/** Between which operations the page got its owner. */
function sinceText({ samples }: PageHistory, sample: number): string {
  if (sample === 0) return "the beginning";
  const after = samples[sample - 1]?.operations ?? 0;
  const until = samples[sample]?.operations ?? 0;
  if (until === after + 1) return `operation ${countText(until)}`;
  return `operation ${countText(after + 1)} to ${countText(until)}`;
}

function fact(name: string, values: readonly Node[]): HTMLElement[] {
  return [html("dt", { text: name }), html("dd", {}, values)];
}

function note(text: string): HTMLElement {
  return html("span", { className: "note", text });
}
