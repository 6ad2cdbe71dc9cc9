/** Windlass's own version, from its package.json. */
import packageJson from "../package.json" with { type: "json" };

export const WINDLASS_VERSION: string = packageJson.version;
