/** An image's configuration whose parts are small blobs of a store. */
import type { ImageConfig, Part } from "../../../../image-builder/store/image.ts";
import type { ImageStore } from "../../../../image-builder/store/image-store.ts";

/** Puts the parts in; `text` makes the program part, and so the image, another one. */
export async function storedConfig(store: ImageStore, text = "program"): Promise<ImageConfig> {
  const part = (content: string): Promise<Part> => store.blobs.put(Buffer.from(content));
  const uncompressedBytes = 4096;
  return {
    schemaVersion: 1,
    platform: "linux",
    architecture: "x86_64",
    windlass: "0.0.0-test",
    program: {
      argv: ["/usr/local/bin/node", "/app/server.js"],
      env: {},
      workdir: "/app",
      user: "root",
      ports: [],
      restart: { policy: "no", maxRetries: 0 },
      onExit: "poweroff",
      stopSignal: "SIGTERM",
      isNode: true,
    },
    memoryMib: 256,
    vcpuCount: 1,
    runtime: { name: "node", version: "20.0.0" },
    kernel: { ...(await part("kernel")), release: "6.1.0-test", source: "test" },
    firstStage: await part("first stage"),
    base: { ...(await part("base")), uncompressedBytes },
    root: { ...(await part(text)), uncompressedBytes },
    billOfMaterials: await part(`materials of ${text}`),
  };
}
