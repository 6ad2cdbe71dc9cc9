/**
 * What programs open while they run, which no ELF file says: a table, one row per library or program.
 * Every path is of the host and of the guest alike; one that the host lacks is passed over.
 */
import { normalize } from "node:path/posix";

export interface ProgramNeed {
  /** For people: whose files these are. */
  readonly title: string;
  /** Applies when the image has a program at a path like this. */
  readonly program?: RegExp;
  /** Applies when a program loads a library whose soname is like this. */
  readonly library?: RegExp;
  /** Applies when a program itself, not a library of it, names this symbol. */
  readonly symbol?: string;
  /** Libraries by their sonames, looked up as the dynamic linker would. */
  readonly loads?: readonly string[];
  /**
   * Files, and folders with all that they hold; "*" stands for a part of a name, "{prefix}" for where the program
   * or the library of the row is installed: "/usr", "/usr/local", "/home/ada/.pyenv/versions/3.12.1".
   */
  readonly takes?: readonly string[];
  /** Paths of what is in those folders and is not taken. */
  readonly leavesOut?: RegExp;
}

const LIBRARIES = "/usr/lib/x86_64-linux-gnu";

/** Terminals that people have; the whole data base has 1,700. */
const TERMINALS = [
  "a/ansi",
  "d/dumb",
  "l/linux",
  "s/screen",
  "s/screen-256color",
  "t/tmux",
  "t/tmux-256color",
  "v/vt100",
  "v/vt220",
  "x/xterm",
  "x/xterm-256color",
];

const PROGRAM_NEEDS: readonly ProgramNeed[] = [
  {
    title: "glibc: the unwinder, without which a thread that is cancelled ends the program",
    library: /^libc\.so\.6$/,
    loads: ["libgcc_s.so.1"],
  },
  {
    title: "glibc: character sets of iconv_open(3)",
    symbol: "iconv_open",
    takes: [`${LIBRARIES}/gconv`],
  },
  {
    title: "OpenSSL: configuration, providers, engines",
    library: /^libcrypto\.so\./,
    takes: [
      "/etc/ssl/openssl.cnf",
      "/usr/lib/ssl/openssl.cnf",
      `${LIBRARIES}/ossl-modules`,
      `${LIBRARIES}/engines-*`,
    ],
  },
  {
    title: "TLS: certificates of public authorities",
    library: /^lib(ssl|gnutls|nss3|mbedtls|wolfssl)\b/,
    takes: ["/etc/ssl/certs", "/usr/lib/ssl/certs", "/usr/lib/ssl/cert.pem"],
    leavesOut: /ssl-cert-snakeoil|\/java\//,
  },
  {
    title: "ICU: data that is not in libicudata",
    library: /^libicuuc\.so\./,
    takes: ["/usr/share/icu/*/icudt*.dat"],
  },
  {
    title: "terminfo: descriptions of terminals",
    library: /^lib(tinfo|ncursesw?|curses)\.so\./,
    takes: ["/lib/terminfo", "/usr/share/terminfo"].flatMap((folder) =>
      TERMINALS.map((terminal) => `${folder}/${terminal}`),
    ),
  },
  { title: "SASL: mechanisms", library: /^libsasl2\.so\./, takes: [`${LIBRARIES}/sasl2`] },
  {
    title: "PAM: modules",
    library: /^libpam\.so\./,
    takes: [`${LIBRARIES}/security`, "/etc/pam.d"],
  },
  {
    title: "libmagic: kinds of files",
    library: /^libmagic\.so\./,
    takes: ["/usr/lib/file/magic.mgc", "/usr/share/misc/magic.mgc"],
  },
  { title: "Kerberos: configuration", library: /^libkrb5\.so\./, takes: ["/etc/krb5.conf"] },
  {
    title: "Perl: its library",
    program: /^\/usr\/bin\/perl[0-9.]*$/,
    takes: ["/etc/perl", `${LIBRARIES}/perl-base`, `${LIBRARIES}/perl/5.*`, "/usr/share/perl/5.*"],
    leavesOut: /\.(pod|a|h)$|\/CORE$|\/unicore\/(.*\.txt|TestProp\.pl)$/,
  },
  {
    title: "Python: its library",
    program: /\/bin\/python3(\.[0-9]+)?$/,
    // Programs that have Python inside, gdb and Vim among them.
    library: /^libpython3\.[0-9]+\.so\b/,
    takes: ["{prefix}/lib/python3.*", "/etc/python3.*"],
    leavesOut:
      /\/(site-packages|test|tests|idlelib|lib2to3|ensurepip|turtledemo|config-3[^/]*|pydoc_data)$|\.(opt-[12])\.pyc$|\.a$/,
  },
  {
    title: "Ruby: its library, and the gems that are part of it",
    program: /\/bin\/ruby[0-9.]*$/,
    library: /^libruby\b.*\.so\b/,
    takes: [
      "{prefix}/lib/ruby",
      "{prefix}/lib/x86_64-linux-gnu/ruby",
      "{prefix}/share/rubygems-integration",
    ],
    leavesOut: /\.(a|h|ri)$|\/gems\/[^/]+\/(doc|cache)$/,
  },
  {
    title: "Java: its modules, without windows on a screen",
    // Every program of a JDK loads it.
    library: /^libjli\.so$/,
    takes: [
      ...["modules", "server", "security", "*.so", "jspawnhelper"].map(
        (name) => `{prefix}/lib/${name}`,
      ),
      ...["jvm.cfg", "tzdb.dat", "*.properties*"].map((name) => `{prefix}/lib/${name}`),
      ...["{prefix}/conf", "{prefix}/release"],
    ],
    // The archives of classes name the time of lib/modules, which is another one in an image.
    leavesOut:
      /\/lib\/(lib(awt_xawt|splashscreen|jawt|jsound|atk-wrapper|saproc)\.so|server\/(libjsig\.so|classes[^/]*\.jsa))$/,
  },
  {
    title: "Git: its helper programs, and the shell that some of them are written for",
    program: /^\/usr\/bin\/git$/,
    takes: ["/usr/lib/git-core", "/usr/share/git-core/templates", "/bin/sh"],
  },
  {
    title: "Node.js: the parts that Debian keeps beside it",
    program: /^\/usr\/bin\/node(js)?$/,
    takes: [
      "/usr/share/nodejs/acorn*/dist",
      "/usr/share/nodejs/cjs-module-lexer",
      "/usr/share/nodejs/undici",
    ],
  },
  {
    title: "Tcl: its library",
    library: /^libtcl8/,
    takes: ["/usr/share/tcltk/tcl8*"],
  },
];

/** What is known of an image's programs. */
export interface ProgramTraits {
  /** Paths in the guest. */
  readonly programs: readonly string[];
  /** Paths of what they load, by soname. */
  readonly libraries: ReadonlyMap<string, string>;
  /** Of {@link NEEDED_SYMBOLS}. */
  readonly symbols: ReadonlySet<string>;
}

/** The symbols that rows ask for. */
export const NEEDED_SYMBOLS: readonly string[] = PROGRAM_NEEDS.flatMap(
  ({ symbol }) => symbol ?? [],
);

/** @returns the rows that apply, one for each place where what they are about is installed */
export function needsOf(traits: ProgramTraits): readonly ProgramNeed[] {
  return PROGRAM_NEEDS.flatMap((need) => {
    const paths = matchingPaths(need, traits);
    if (paths.length === 0 && !(need.symbol && traits.symbols.has(need.symbol))) return [];
    if (!need.takes?.some((path) => path.includes(PREFIX))) return [need];
    const prefixes = new Set(paths.flatMap((path) => prefixOf(path) ?? []));
    return [...prefixes].map((prefix) => ({
      ...need,
      takes: (need.takes ?? []).map((path) => path.replace(PREFIX, () => prefix)),
    }));
  });
}

const PREFIX = "{prefix}";

function matchingPaths({ program, library }: ProgramNeed, traits: ProgramTraits): string[] {
  const programs = program ? traits.programs.filter((path) => program.test(path)) : [];
  const libraries = library ? [...traits.libraries].filter(([soname]) => library.test(soname)) : [];
  return [...programs, ...libraries.map(([, path]) => path)];
}

/** "/usr" of "/usr/bin/x", "/usr/lib/x86_64-linux-gnu/x.so" and, as in a merged system, "/lib/x.so". */
function prefixOf(path: string): string | undefined {
  const whole = normalize(path);
  const end = whole.search(/\/(s?bin|lib(64)?)(\/[^/]+-linux-[^/]+)?\/[^/]+$/);
  return end < 0 ? undefined : whole.slice(0, end) || "/usr";
}

/**
 * Modules of the name service switch: "files" and "dns" are part of glibc since 2.34, and modules of
 * their own before.
 *
 * @param text content of nsswitch.conf(5)
 * @returns sonames
 */
export function nameServiceLibraries(text: string): string[] {
  const services = new Set<string>();
  for (const line of text.split("\n")) {
    const list = /^\s*[a-z]+:(.*)$/.exec(line.replace(/#.*/, ""))?.[1] ?? "";
    for (const [name] of list.replaceAll(/\[[^\]]*\]/g, " ").matchAll(/[a-z0-9_]+/g))
      services.add(name);
  }
  return [...services].sort().map((name) => `libnss_${name}.so.2`);
}

/**
 * What setlocale(3) opens for a program's variables; C, POSIX and C.UTF-8 are part of glibc.
 *
 * @returns paths, of which one that exists is enough
 */
export function localePaths(env: Readonly<Record<string, string>>): string[] {
  const names = Object.entries(env)
    .filter(([name]) => name === "LANG" || name.startsWith("LC_"))
    .map(([, value]) => value)
    .filter((value) => /^[A-Za-z0-9_.@-]+$/.test(value) && !/^(C|POSIX)(\.|$)/.test(value));
  if (names.length === 0) return [];
  const folders = names.map((name) => {
    const [, place = "", codeset = "", modifier = ""] =
      /^([^.@]*)\.?([^@]*)(@.*)?$/.exec(name) ?? [];
    const normal = codeset.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
    return `/usr/lib/locale/${place}${normal && `.${normal}`}${modifier}`;
  });
  return ["/usr/lib/locale/locale-archive", ...new Set(folders)];
}
