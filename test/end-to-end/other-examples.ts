/** The examples of the other runtimes, and what each needs of the host. */
import { type ServerExample, TERMINATED } from "./example-check.ts";

/** Where a tool comes from: Debian's package, npm's with the folder of the executable in it, or nowhere of its own. */
export type ToolSource =
  | { readonly kind: "debian"; readonly package: string }
  | { readonly kind: "npm"; readonly package: string; readonly folder: string }
  | { readonly kind: "host" };

export interface OtherServer extends ServerExample {
  readonly tool: { readonly program: string; readonly source: ToolSource };
}

const debian = (program: string, name: string) =>
  ({ program, source: { kind: "debian", package: name } }) as const;
/** The packages of this platform: those for all of them move files about as they are installed. */
const npm = (program: string, name: string, folder: string) =>
  ({ program, source: { kind: "npm", package: name, folder } }) as const;

const go = debian("go", "golang-go");
const python = debian("python3", "python3");
const HELLO = /^Hello from Windlass\n/;

export const OTHER_SERVERS: readonly OtherServer[] = [
  { example: "go-http", expected: /^Hello from Windlass\ngo1/, tool: go },
  { example: "go-cgo", expected: /^Hello from Windlass\nglibc 2\.\d+ sorts: \[1 2 3\]/, tool: go },
  { example: "c-http", expected: /^Hello from Windlass\nC, /, tool: debian("gcc", "gcc") },
  {
    example: "rust-http",
    expected: /^Hello from Windlass\nRust, \d+ seconds/,
    tool: { program: "cargo", source: { kind: "host" } },
  },
  {
    example: "java-http",
    expected: /^Hello from Windlass\nJava \d+/,
    tool: debian("jlink", "openjdk-17-jdk-headless"),
  },
  { example: "python-http", expected: HELLO, tool: python },
  { example: "python-flask", expected: HELLO, stopStatus: TERMINATED, tool: python },
  { example: "ruby-http", expected: HELLO, tool: debian("ruby", "ruby") },
  {
    example: "deno-http",
    expected: /^Hello from Deno \d/,
    tool: npm("deno", "@deno/linux-x64-glibc@2.9.6", "@deno/linux-x64-glibc"),
  },
  {
    example: "bun-http",
    expected: /^Hello from Bun \d/,
    tool: npm("bun", "@oven/bun-linux-x64@1.4.5", "@oven/bun-linux-x64/bin"),
  },
];

/** A module that ends by itself. */
export const WASI_HELLO = "wasi-hello";
export const OTHER_EXAMPLES = [...OTHER_SERVERS.map(({ example }) => example), WASI_HELLO];
