/** The colours of the style sheet, as numbers for pictures. They change with the browser's light or dark scheme. */
import { pageOwnerNames } from "../../page-owners.ts";

export interface Colour {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
}

export interface Colours {
  readonly background: string;
  readonly ink: string;
  readonly muted: string;
  /** By the owner's code. */
  readonly owners: readonly Colour[];
}

/** Of a colour that is set back, so much is the background. */
const DIMMED_SHARE = 0.82;

export function readColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const value = (name: string): string => style.getPropertyValue(name).trim();
  return {
    background: value("--background"),
    ink: value("--ink"),
    muted: value("--muted"),
    owners: pageOwnerNames.map((owner) => parseColour(value(`--owner-${owner}`))),
  };
}

/** @param shown codes that keep their colour; undefined for all @returns by code, as ImageData has it */
export function paletteOf(colours: Colours, shown: ReadonlySet<number> | undefined): Uint32Array {
  const background = parseColour(colours.background);
  const palette = colours.owners.map((colour, code) =>
    shown === undefined || shown.has(code) ? colour : mixed(colour, background, DIMMED_SHARE),
  );
  // Bytes in memory are red, green, blue, alpha; browsers' machines are little-endian.
  return Uint32Array.from(palette, ({ red, green, blue }) => {
    return ((0xff << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

/** Black or white, whatever is read better on it. */
export function inkOn({ red, green, blue }: Colour): string {
  return red * 0.299 + green * 0.587 + blue * 0.114 > 140 ? "#000" : "#fff";
}

/** @param text "#rrggbb" */
function parseColour(text: string): Colour {
  const value = Number.parseInt(text.slice(1), 16);
  return { red: value >>> 16, green: (value >>> 8) & 0xff, blue: value & 0xff };
}

function mixed(a: Colour, b: Colour, share: number): Colour {
  const mix = (x: number, y: number): number => Math.round(x + (y - x) * share);
  return { red: mix(a.red, b.red), green: mix(a.green, b.green), blue: mix(a.blue, b.blue) };
}
