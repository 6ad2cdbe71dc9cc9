/** Makes the seed of seed.ts. */
import { bootMissing, killQemu, machineRig } from "./rig.ts";
import { SEED_VARIABLE } from "./seed.ts";

/**
 * Makes the seed and names it in the environment, until it is disposed of. Where machines cannot be booted there is
 * none, and the tests say why.
 */
export async function makeSeed(): Promise<AsyncDisposable> {
  if ((await bootMissing()) !== undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const rig = await machineRig();
  try {
    await rig.build("hello-http", { name: "hello" });
    const { instance } = await rig.boot({ image: "hello" });
    await killQemu(instance);
  } catch (error) {
    await rig[Symbol.asyncDispose]();
    throw error;
  }
  process.env[SEED_VARIABLE] = rig.folder.path;
  return {
    async [Symbol.asyncDispose]() {
      delete process.env[SEED_VARIABLE];
      await rig[Symbol.asyncDispose]();
    },
  };
}
