/** Debian's Chromium, driven by playwright-core. Pictures of pages are kept when a test fails. */
import { accessSync, constants } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const VIEWPORT = { width: 1280, height: 800 };

/** @returns why tests with a browser cannot run here; undefined when they can */
export function browserMissing(): string | undefined {
  return chromiumPath() === undefined ? "there is no chromium (Debian: chromium)" : undefined;
}

export class BrowserRig implements AsyncDisposable {
  /** For files of the tests, and pictures. Kept when a test failed. */
  readonly folder: string;
  readonly #browser: Browser;
  readonly #context: BrowserContext;
  #hasFailed = false;

  private constructor(browser: Browser, context: BrowserContext, folder: string) {
    this.#browser = browser;
    this.#context = context;
    this.folder = folder;
  }

  static async launch(): Promise<BrowserRig> {
    const executablePath = chromiumPath();
    if (executablePath === undefined) throw new TypeError("there is no browser");
    const folder = await mkdtemp(join(tmpdir(), "windlass-browser-"));
    const browser = await chromium.launch({ executablePath });
    const context = await browser.newContext({ viewport: VIEWPORT });
    return new BrowserRig(browser, context, folder);
  }

  /**
   * Opens a page for one test.
   *
   * @throws what the body throws, after a picture was taken; and when the page wrote to its console, had an
   *   error, or loaded anything but itself
   */
  async visit(
    { url, picture }: { readonly url: string; readonly picture: string },
    body: (page: Page) => Promise<void>,
  ): Promise<void> {
    const page = await this.#context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (request.url() !== url) complaints.push(`loads ${request.url()}`);
    });
    try {
      await page.goto(url);
      await body(page);
      if (complaints.length > 0) throw new Error(complaints.join("\n"));
    } catch (error) {
      this.#hasFailed = true;
      const path = join(this.folder, `${picture}.png`);
      await page.screenshot({ path });
      process.stderr.write(`picture of the page: ${path}\n`);
      throw error;
    } finally {
      await page.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
    if (!this.#hasFailed) await rm(this.folder, { recursive: true, force: true });
  }
}

function chromiumPath(): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, "chromium")).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
