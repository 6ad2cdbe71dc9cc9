/**
 * The program's first start, by process 1, while the agent's Node is not even loaded. The host hands over a small
 * executable (image-builder/first-process/starter.ts) that `/init` becomes on its way to the agent. Imports
 * nothing: every side loads it.
 */

/** fw_cfg item with the executable; empty when the agent is to start the program. */
export const STARTER_FW_CFG = "opt/org.windlass/starter";

/** Where `/init` puts it, in memory; it removes itself. */
export const STARTER_PATH = "/run/windlass-starter";

/**
 * What became of it, for the agent; absent when there was none.
 *
 * | offset | bytes | meaning |
 * |---|---|---|
 * | 0 | 8 | process id of the program |
 * | 8 | 8 | absent, or the error of execve(2) or chdir(2), negative: then the program ended with status 127 |
 */
export const STARTED_PATH = "/run/windlass-started";

/** Descriptors that the agent inherits: the program's output, and the socket that listens on the agent's port. */
export const STARTED_FD = { stdout: 3, stderr: 4, listener: 5 } as const;
