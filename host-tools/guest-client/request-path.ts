/** An operation's arguments as the path and query of a request. */
import type { Route } from "../../guest/api/routes.ts";

export interface RequestArguments {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
}

/** @throws {TypeError} when a path argument is missing */
export function requestPath(route: Route, args: RequestArguments): string {
  const path = route.path.replace(/\{(\w+)(\*?)\}/g, (_all, name: string, whole: string) => {
    const value = args.path?.[name];
    if (value === undefined) throw new TypeError(`"${route.path}" needs ${name}`);
    // The rest of a path keeps its slashes; a leading one is part of the route already.
    return whole === "*"
      ? value.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/")
      : encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(args.query ?? {})) {
    if (value !== undefined) query.append(name, String(value));
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}
