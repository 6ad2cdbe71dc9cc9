/** The map's page: reads its data and keeps its parts together. */
import "./style.css";
import { PAGE_BYTES } from "../../address-layout.ts";
import { HistoryReader, type PageHistory, peakSample } from "../page-history.ts";
import { bytesText, countText } from "../quantity.ts";
import { Chart } from "./chart.ts";
import { readColours } from "./colours.ts";
import { Grid } from "./grid.ts";
import { listenToKeys, listenToPointers, ZOOM_STEP, zoomInMiddle } from "./grid-input.ts";
import { readHistory } from "./history-data.ts";
import { element, html } from "./html.ts";
import { OwnerList } from "./owner-list.ts";
import { showNoPage, showPage } from "./page-details.ts";
import { Player } from "./player.ts";

readHistory(element("data", HTMLScriptElement)).then(start, (error: unknown) => {
  element("about", HTMLElement).textContent = `This map cannot be shown: ${String(error)}`;
});

function start(history: PageHistory): void {
  const reader = new HistoryReader(history);
  const details = element("details", HTMLElement);
  let colours = readColours();
  let shown: ReadonlySet<number> | undefined;
  let hovered: number | undefined;
  let chosen: number | undefined;
  let frame = 0;

  const grid = new Grid(element("grid", HTMLCanvasElement), reader, colours);
  let described = "";
  const showDetails = (): void => {
    const page = hovered ?? chosen;
    const what = `${page} ${reader.sample}`;
    if (what === described) return;
    described = what;
    if (page === undefined) showNoPage(details);
    else showPage(details, reader, page);
  };
  const draw = (): void => {
    frame = 0;
    grid.draw({ hovered, chosen });
    showDetails();
  };
  const redraw = (): void => {
    if (frame === 0) frame = requestAnimationFrame(draw);
  };
  const recolour = (): void => {
    grid.update(colours, shown);
    redraw();
  };
  const seek = (sample: number): void => {
    reader.seek(sample);
    showTime(reader);
    chart.show(reader.sample);
    player.show(reader.sample, timeText(reader));
    owners.show(history.samples[reader.sample]?.pages ?? []);
    recolour();
  };

  const owners = new OwnerList(element("owners", HTMLElement), (some) => {
    shown = some;
    recolour();
  });
  const scrub = (sample: number): void => {
    player.stop();
    seek(sample);
  };
  const chart = new Chart(element("chart", HTMLElement), history, scrub);
  const range = element("sample", HTMLInputElement);
  const button = element("play", HTMLButtonElement);
  const player = new Player({ range, button }, history.samples.length, seek);

  const inputs = {
    moved: redraw,
    hovered: (page: number | undefined): void => {
      if (page === hovered) return;
      hovered = page;
      redraw();
    },
    chosen: (page: number | undefined): void => {
      chosen = page;
      redraw();
    },
  };
  listenToPointers(grid, inputs);
  listenToKeys(grid, inputs, () => chosen);
  onClick("zoom-in", () => zoomInMiddle(grid, ZOOM_STEP, chosen), redraw);
  onClick("zoom-out", () => zoomInMiddle(grid, 1 / ZOOM_STEP, chosen), redraw);
  onClick("zoom-fit", () => grid.view.fit(), redraw);
  listenToTimeKeys(player);

  new ResizeObserver(() => {
    grid.resize();
    chart.draw();
    redraw();
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    colours = readColours();
    recolour();
  });

  document.title = `${history.name}: page map`;
  element("name", HTMLElement).textContent = history.name;
  element("about", HTMLElement).textContent =
    `scheme ${history.scheme}, ${bytesText(history.pageCount * PAGE_BYTES)} of memory in ${countText(history.pageCount)} pages`;
  seek(peakSample(history));
}

/** Space, comma and full stop, wherever they mean nothing else. */
function listenToTimeKeys(player: Player): void {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && !(event.target instanceof HTMLButtonElement)) player.toggle();
    else if (event.key === ",") player.step(-1);
    else if (event.key === ".") player.step(1);
    else return;
    event.preventDefault();
  });
}

function onClick(id: string, action: () => void, then: () => void): void {
  element(id, HTMLButtonElement).addEventListener("click", () => {
    action();
    then();
  });
}

function showTime(reader: HistoryReader): void {
  const sample = reader.history.samples[reader.sample];
  if (!sample) return;
  const { footprintBytes, usableBytes, requestedBytes } = sample;
  const share = Math.round((requestedBytes / Math.max(footprintBytes, 1)) * 100);
  const figures = [
    ["Footprint", bytesText(footprintBytes)],
    ["Usable", bytesText(usableBytes)],
    ["Requested", `${bytesText(requestedBytes)}, ${share} % of the footprint`],
  ] as const;
  const parts = figures.map(([name, value]) =>
    html("div", {}, [html("dt", { text: name }), html("dd", { text: value })]),
  );
  element("figures", HTMLElement).replaceChildren(...parts);
  element("time", HTMLOutputElement).textContent = timeText(reader);
}

function timeText({ history, sample }: HistoryReader): string {
  const done = history.samples[sample]?.operations ?? 0;
  return `operation ${countText(done)} of ${countText(history.operations)}`;
}
