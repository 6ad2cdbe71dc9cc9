/** What an image of examples/hello-http takes on disk, part by part. */
import { build } from "../../image-builder/build-image.ts";
import { type BenchReport, report, Samples } from "./bench.ts";
import { benchHome, HELLO_FOLDER } from "./rig.ts";

export async function benchSize(): Promise<BenchReport> {
  const samples = new Samples();
  await using home = await benchHome();
  const { image } = await build({ folder: HELLO_FOLDER, name: "hello", folders: home.folders });
  const { kernel, firstStage, base, root, billOfMaterials } = image.config;
  samples.add("kernel", "bytes", kernel.sizeBytes);
  samples.add("first-stage", "bytes", firstStage.sizeBytes);
  samples.add("base", "bytes", base.sizeBytes);
  samples.add("program", "bytes", root.sizeBytes);
  const parts = [kernel, firstStage, base, root, billOfMaterials];
  samples.add("total", "bytes", sum(parts.map(({ sizeBytes }) => sizeBytes)));
  samples.add("base-unpacked", "bytes", base.uncompressedBytes);
  return await report("size", samples, "none");
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
