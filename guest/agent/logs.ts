/** /v1/logs: the log buffer as lines of JSON. */
import { Readable } from "node:stream";
import type { LogRecord } from "../api/logs.ts";
import type { LogQuery } from "./log-buffer.ts";
import type { Agent, Operations } from "./operation.ts";

export function logsOperations({ logs }: Agent): Operations<"logs"> {
  return {
    logs: ({ query }, call) => {
      const { follow, ...selection } = query;
      const records: AsyncIterable<LogRecord> | Iterable<LogRecord> = follow
        ? logs.follow(selection satisfies LogQuery, { signal: call.signal })
        : logs.records(selection);
      return {
        contentType: "application/x-ndjson",
        // One record at a time is taken from the buffer: the reader's pace is the pace.
        body: Readable.from(lines(records), { objectMode: false, highWaterMark: 64 * 1024 }),
      };
    },
  };
}

async function* lines(records: AsyncIterable<LogRecord> | Iterable<LogRecord>) {
  for await (const record of records) yield `${JSON.stringify(record)}\n`;
}
