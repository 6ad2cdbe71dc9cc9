/** The legend: owners with their colour, letter and pages. A click sets all others back. */
import { PAGE_BYTES } from "../../address-layout.ts";
import { pageOwnerNames } from "../../page-owners.ts";
import { ownerLetter, ownerUses } from "../owner-marks.ts";
import { bytesText, countText } from "../quantity.ts";
import { html } from "./html.ts";

export class OwnerList {
  readonly #pages: readonly HTMLElement[];
  readonly #bytes: readonly HTMLElement[];
  readonly #shown = new Set<number>();

  /** @param changed told which owners keep their colour; undefined for all */
  constructor(place: HTMLElement, changed: (shown: ReadonlySet<number> | undefined) => void) {
    const rows = pageOwnerNames.map((owner, code) => {
      const pages = html("span", { className: "pages" });
      const bytes = html("span", { className: "bytes" });
      const swatch = html("span", { className: `swatch owner-${owner}`, text: ownerLetter(code) });
      const button = html("button", {}, [
        swatch,
        html("span", { className: "owner", text: owner }),
        pages,
        bytes,
      ]);
      button.type = "button";
      button.title = ownerUses[owner];
      button.setAttribute("aria-pressed", "false");
      button.addEventListener("click", () => {
        const isShown = !this.#shown.delete(code);
        if (isShown) this.#shown.add(code);
        button.setAttribute("aria-pressed", String(isShown));
        changed(this.#shown.size > 0 ? this.#shown : undefined);
      });
      place.append(html("li", {}, [button]));
      return { pages, bytes };
    });
    this.#pages = rows.map((row) => row.pages);
    this.#bytes = rows.map((row) => row.bytes);
  }

  /** @param counts pages by owner's code */
  show(counts: readonly number[]): void {
    for (const [code, count] of counts.entries()) {
      this.#set(this.#pages[code], countText(count), count);
      this.#set(this.#bytes[code], bytesText(count * PAGE_BYTES), count);
    }
  }

  #set(place: HTMLElement | undefined, text: string, count: number): void {
    if (!place) return;
    place.textContent = text;
    place.closest("li")?.classList.toggle("none", count === 0);
  }
}
