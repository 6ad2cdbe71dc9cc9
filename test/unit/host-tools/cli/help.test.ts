import * as assert from "uvu/assert";
import { commandNames, commandTable } from "../../../../host-tools/cli/command-table.ts";
import { hasHelp, helpText } from "../../../../host-tools/cli/help.ts";
import { wrapText } from "../../../../host-tools/cli/wrap-text.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("cli/help");

test("lists every command that is not hidden", () => {
  const text = helpText();
  for (const name of commandNames) {
    const { hidden, summary } = commandTable[name];
    assert.is(text.includes(`  ${name} `) && text.includes(summary), !hidden, name);
  }
});

test("explains every option of every command", () => {
  for (const name of commandNames) {
    const text = helpText(name);
    assert.match(text, `Usage: windlass ${name}`);
    for (const [long, { short, summary }] of Object.entries(commandTable[name].options)) {
      assert.match(text, `--${long}`);
      assert.match(text, summary);
      if (short !== undefined) assert.match(text, `-${short}, --${long}`);
    }
  }
});

test("explains families", () => {
  assert.ok(hasHelp("kernel"));
  assert.not(hasHelp("kern"));
  assert.match(helpText("kernel"), "kernel add");
});

test("summaries are half sentences that fit a line", () => {
  for (const name of commandNames) {
    const { summary, options } = commandTable[name];
    const all = [summary, ...Object.values(options).map((option) => option.summary)];
    for (const text of all) {
      assert.not(/[.!]$/.test(text), text);
      assert.ok(text.length <= 66, `${text} has ${text.length} characters`);
    }
  }
});

test("wraps prose at words", () => {
  assert.is(wrapText("aa bb cc", 5), "aa bb\ncc");
  assert.is(wrapText("longword x", 3), "longword\nx");
});

test.run();
