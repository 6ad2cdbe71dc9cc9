import { readFile } from "node:fs/promises";
import fc from "fast-check";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { ownConfiguration } from "../../../../image-builder/kernels/kernel-build.ts";
import {
  canonicalOptions,
  kernelOptions,
  overriddenOptions,
} from "../../../../image-builder/kernels/kernel-configuration.ts";
import { suite } from "../../../support/suite.ts";

const test = suite("kernel configuration");

function refusal(text: string): ImageError {
  try {
    kernelOptions(text, "a.config");
  } catch (error) {
    assert.instance(error, ImageError);
    return error as ImageError;
  }
  throw new Error("was accepted");
}

test("options, comments and what is off are read", () => {
  const text =
    '# a group\n\nCONFIG_SMP=y\nCONFIG_NR_CPUS=64\nCONFIG_BASE=0x10\n# CONFIG_VT is not set\nCONFIG_NAME="a b"\n';
  const options = kernelOptions(text, "a.config");
  assert.equal(
    [...options],
    [
      ["CONFIG_SMP", "y"],
      ["CONFIG_NR_CPUS", "64"],
      ["CONFIG_BASE", "0x10"],
      ["CONFIG_VT", "n"],
      ["CONFIG_NAME", '"a b"'],
    ],
  );
});

test("a line that is no option, a module and a repetition are refused with their line", () => {
  for (const line of ["SMP=y", "CONFIG_SMP", "CONFIG_SMP=m", "CONFIG_SMP=yes", " CONFIG_SMP=y"]) {
    const error = refusal(`CONFIG_TTY=y\n${line}\n`);
    assert.is(error.code, "WL_IMAGE_KERNEL_UNAVAILABLE");
    assert.match(error.message, `line 2: "${line}" is no kernel option`);
  }
  const twice = refusal("CONFIG_SMP=y\n\n# CONFIG_SMP is not set\n");
  assert.match(twice.message, "line 3: CONFIG_SMP is there twice");
  assert.is(twice.facts.line, 3);
});

test("every option that did not take effect is named, with what became of it", () => {
  const wanted = kernelOptions(
    'CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_D=64\nCONFIG_E="x"\nCONFIG_F=y\n',
    "wanted",
  );
  const actual = kernelOptions(
    'CONFIG_A=y\nCONFIG_C=y\nCONFIG_D=8\nCONFIG_E="x"\n# CONFIG_F is not set\nCONFIG_G=y\n',
    "actual",
  );
  assert.equal(overriddenOptions(wanted, actual), [
    { name: "CONFIG_C", wanted: "n", actual: "y" },
    { name: "CONFIG_D", wanted: "64", actual: "8" },
    { name: "CONFIG_F", wanted: "y", actual: "n" },
  ]);
  assert.equal(overriddenOptions(wanted, wanted), []);
});

test("comments and order do not change what a configuration says", () => {
  const name = fc.stringMatching(/^CONFIG_[A-Z0-9_]{1,12}$/);
  const value = fc.constantFrom("y", "n", "7", '"text"');
  const entries = fc.uniqueArray(fc.tuple(name, value), {
    selector: ([key]) => key,
    maxLength: 12,
  });
  const property = fc.property(entries, (options) => {
    const lines = options.map(([key, is]) => `${key}=${is}`);
    const plain = kernelOptions(lines.join("\n"), "plain");
    const commented = kernelOptions(lines.reverse().join("\n# why\n\n"), "commented");
    assert.is(canonicalOptions(plain), canonicalOptions(commented));
    assert.equal(kernelOptions(canonicalOptions(plain), "again"), new Map([...plain].sort()));
  });
  fc.assert(property);
});

test("our own configuration is readable and has no modules", async () => {
  const path = ownConfiguration();
  const options = kernelOptions(await readFile(path, "utf8"), path);
  assert.is(options.get("CONFIG_MODULES"), "n");
  assert.is(options.get("CONFIG_PVH"), "y");
  assert.is(options.get("CONFIG_LOCALVERSION"), '"-windlass"');
});

test.run();
