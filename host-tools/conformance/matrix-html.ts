/** The matrices as one HTML file that needs nothing else: no script, no font, no network. */
import { escapeMarkup } from "./markup.ts";
import {
  type CaseResult,
  missingText,
  type RowReport,
  type SuiteReport,
  tallyOf,
} from "./report.ts";

const STYLE = `
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; }
th, td { border: 1px solid #8886; padding: .15rem .6rem; text-align: left; }
th[scope=row] { font-weight: normal; }
thead th { position: sticky; top: 0; background: Canvas; }
.pass { background: #2a82; }
.explained { background: #d902; }
.unexpected { background: #d224; font-weight: bold; }
`;

export function matrixHtml(reports: readonly SuiteReport[]): string {
  const title = `Conformance: ${reports.map(({ suite, target }) => `${suite} on ${target.name}`).join(", ")}`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    `<head><meta charset="utf-8"><title>${escapeMarkup(title)}</title><style>${STYLE}</style></head>`,
    "<body>",
    ...reports.flatMap(suiteLines),
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

function suiteLines(report: SuiteReport): string[] {
  const { pass, fail, skip, missing, unexpected } = tallyOf(report.rows);
  const heads = report.rows.map((row) => `<th scope="col">${escapeMarkup(row.title)}</th>`);
  return [
    `<h1>${escapeMarkup(report.suite)} on ${escapeMarkup(report.target.name)}</h1>`,
    `<p>${pass} pass, ${fail} fail, ${skip} skip, ${missing} missing; ${unexpected} not as expected.</p>`,
    ...report.rows.flatMap(rowNotes),
    "<table>",
    `<thead><tr><th scope="col">Case</th><th scope="col">What has to hold</th>${heads.join("")}</tr></thead>`,
    "<tbody>",
    ...report.cases.map(({ id, title }, index) => {
      const cells = report.rows.map((row) => cell(row.results[index]));
      return `<tr><th scope="row"><code>${escapeMarkup(id)}</code></th><td>${escapeMarkup(title)}</td>${cells.join("")}</tr>`;
    }),
    "</tbody>",
    "</table>",
  ];
}

function rowNotes(row: RowReport): string[] {
  const notes = row.missing ? [missingText(row.missing)] : row.problems;
  return notes.map(
    (note) => `<p class="unexpected">${escapeMarkup(row.title)}: ${escapeMarkup(note)}</p>`,
  );
}

function cell(result: CaseResult | undefined): string {
  if (!result) return "<td></td>";
  const explained = result.verdict === "pass" ? "pass" : "explained";
  const kind = result.isExpected ? explained : "unexpected";
  const why = result.deviation ? ` – ${result.deviation.reason} (${result.deviation.source})` : "";
  return `<td class="${kind}" title="${escapeMarkup(`${result.detail}${why}`)}">${result.verdict}</td>`;
}
