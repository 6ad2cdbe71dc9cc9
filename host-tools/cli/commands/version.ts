/** `windlass version`. */
import { API_VERSION } from "../../../guest/api/instance.ts";
import { WINDLASS_VERSION } from "../../../image-builder/version.ts";
import { findQemu } from "../../qemu/binary.ts";
import type { Execute } from "../invocation.ts";

export const execute: Execute<"version"> = async ({ options, output, signal }) => {
  const qemu = await findQemu({ signal }).catch(() => undefined);
  signal.throwIfAborted();
  const versions = {
    windlass: WINDLASS_VERSION,
    api: API_VERSION,
    node: process.versions.node,
    qemu: qemu?.version ?? null,
  };
  if (options.json) await output.json(versions);
  else {
    const lines = [
      `windlass ${versions.windlass}`,
      `agent API ${versions.api}`,
      `Node ${versions.node}`,
      versions.qemu === null ? 'QEMU is missing (see "windlass doctor")' : `QEMU ${versions.qemu}`,
    ];
    await output.print(`${lines.join("\n")}\n`);
  }
  return 0;
};
