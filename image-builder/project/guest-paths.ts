/** Where things live in the guest. */

/** The program's folder, the root of the program device. */
export const APP_PATH = "/app";

/** The runtime. */
export const NODE_PATH = "/usr/local/bin/node";
