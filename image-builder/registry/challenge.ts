/** What a registry asks for when it answers 401: `WWW-Authenticate` (RFC 9110, 11.6.1). Pure. */

export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer";
      /** Address of the server that gives tokens. */
      readonly realm: string;
      readonly service?: string;
      readonly scope?: string;
    };

const PARAMETER = /^[\s,]*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))/;
const HEADER_LENGTH_MAX = 8192;

/** The first challenge that we know how to answer: a token before a password. */
export function knownChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > HEADER_LENGTH_MAX) return undefined;
  const bearer = /(?:^|,)\s*bearer\s+/i.exec(header);
  if (bearer) {
    const parameters = readParameters(header.slice(bearer.index + bearer[0].length));
    const realm = parameters.get("realm");
    const service = parameters.get("service");
    const scope = parameters.get("scope");
    if (realm !== undefined) {
      return {
        ...{ scheme: "bearer", realm },
        ...(service !== undefined && { service }),
        ...(scope !== undefined && { scope }),
      };
    }
  }
  return /(?:^|,)\s*basic(?:\s|$)/i.test(header) ? { scheme: "basic" } : undefined;
}

/** Up to the next challenge, which begins with a word that has no "=". */
function readParameters(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let rest = text;
  for (let match = PARAMETER.exec(rest); match; match = PARAMETER.exec(rest)) {
    const [whole, name = "", quoted, bare] = match;
    const value = quoted === undefined ? (bare ?? "") : quoted.replace(/\\(.)/g, "$1");
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value);
    rest = rest.slice(whole.length);
  }
  return found;
}
