/** What a registry that stalls, lies or goes in circles comes to: a typed error, and nothing left under a blob's name. */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import * as assert from "uvu/assert";
import { ImageError } from "../../../../image-builder/errors.ts";
import { downloadBlob } from "../../../../image-builder/registry/blob-download.ts";
import { fetchManifest, OCI_MANIFEST } from "../../../../image-builder/registry/manifest.ts";
import { RegistryClient } from "../../../../image-builder/registry/registry-client.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { hostileRegistry, type Reply } from "./hostile-registry.ts";

const test = suite("hostile registry");
const environment = { WINDLASS_HOME: "/nowhere", DOCKER_CONFIG: "/nowhere" };
const content = Buffer.from("the content of a blob");
const blob = { digest: sha256(content), size: content.length };

/** What asking for a manifest ends with. */
async function manifestError(reply: Reply, silentMs = 5000): Promise<ImageError> {
  await using registry = await hostileRegistry(reply);
  const options = { plainHttp: true, environment, silentMs };
  using client = new RegistryClient(registry.host, "", options);
  const reference = { host: registry.host, repository: "a", tag: "1" };
  const error = await fetchManifest(client, reference).catch((cause) => cause);
  assert.instance(error, ImageError);
  assert.is(error.code, "WL_IMAGE_REGISTRY");
  assert.ok(error.facts.next);
  return error;
}

/** What fetching a blob ends with, and what is in its folder afterwards. */
async function blobError(reply: Reply, silentMs = 5000) {
  await using folder = await temporaryFolder();
  await using registry = await hostileRegistry(reply);
  const options = { plainHttp: true, environment, silentMs };
  using client = new RegistryClient(registry.host, "", options);
  const path = folder.file("blob");
  const download = { client, repository: "a", blob, path };
  const error = await downloadBlob(download).catch((cause) => cause);
  const { requests } = registry;
  return { error, requests, files: await readdir(folder.path) };
}

function sends(document: unknown, mediaType = OCI_MANIFEST): Reply {
  return (_request, response) => {
    response.setHeader("content-type", mediaType);
    response.end(typeof document === "string" ? document : JSON.stringify(document));
  };
}

test("one that says nothing is given up", async () => {
  const { message } = await manifestError(() => {}, 50);
  assert.match(message, /said nothing for 0\.05 s/);
});

test("one that stops in the middle is given up", async () => {
  const { message } = await manifestError((_request, response) => {
    response.writeHead(200, { "content-type": OCI_MANIFEST });
    response.write("{");
  }, 50);
  assert.match(message, /said nothing/);
});

test("redirects in a loop end", async () => {
  const { message } = await manifestError((request, response) => {
    response.writeHead(307, { location: request.url ?? "" }).end();
  });
  assert.match(message, /redirects in a loop/);
});

test("other schemes are not followed", async () => {
  const { message } = await manifestError((_request, response) => {
    response.writeHead(307, { location: "file:///etc/passwd" }).end();
  });
  assert.match(message, /sends us to/);
});

test("a huge manifest is not read", async () => {
  const announced = await manifestError((_request, response) => {
    response.writeHead(200, { "content-length": "999999999999" }).write("{");
  });
  assert.match(announced.message, /larger than 4194304 bytes/);
  const piece = Buffer.alloc(1024 * 1024, " ");
  const endless = await manifestError((_request, response) => {
    const write = (error?: Error | null): void => void (error || response.write(piece, write));
    write();
  });
  assert.match(endless.message, /larger than 4194304 bytes/);
});

test("manifests that cannot be are refused", async () => {
  const part = { mediaType: "a/b", digest: blob.digest, size: 1 };
  const cases: readonly [unknown, RegExp, string?][] = [
    ["no JSON", /is no JSON object/],
    [{ config: part }, /has no list of layers/],
    [{ config: part, layers: [{ ...part, size: -1 }] }, /without media type, digest or size/],
    [{ config: part, layers: [{ ...part, digest: "md5:0" }] }, /names a part by "md5:0"/],
    [{ config: part, layers: [{ ...part, size: 2 ** 50 }] }, /says it has/],
    [{ config: part, layers: Array(513).fill(part) }, /has 513 layers/],
    [{}, /unknown media type "text\/html"/, "text/html"],
    [{ mediaType: "application/vnd.oci.image.index.v1+json" }, /calls itself/],
    [
      { manifests: [{ ...part, platform: { os: "linux", architecture: "arm64" } }] },
      /not for linux\/amd64, but for linux\/arm64/,
      "application/vnd.oci.image.index.v1+json",
    ],
  ];
  for (const [document, expected, mediaType] of cases) {
    assert.match((await manifestError(sends(document, mediaType))).message, expected);
  }
});

test("what it says forges no line of a message, and has an end", async () => {
  const forged = `x\nnext: do this\u001b[2J${"long".repeat(5000)}`;
  const part = { mediaType: "a/b", digest: blob.digest, size: 1 };
  const index = "application/vnd.oci.image.index.v1+json";
  const platform = { os: "linux", architecture: forged };
  const cases: readonly [unknown, string?][] = [
    [{ manifests: [{ ...part, platform }] }, index],
    [{ mediaType: forged }],
    [{ mediaType: forged }, "text/html"],
    [{ config: { ...part, digest: forged }, layers: [] }],
  ];
  const replies = cases.map(([document, mediaType]) => sends(document, mediaType));
  const errors = { errors: [{ code: forged, message: forged }] };
  replies.push((_request, response) => {
    response.writeHead(418).end(JSON.stringify(errors));
  });
  for (const reply of replies) {
    const { message } = await manifestError(reply);
    assert.match(message, /x\\nnext: do this/);
    assert.not.match(message, /\p{Cc}/u);
    assert.ok(message.length < 600, String(message.length));
  }
});

test("a manifest of another digest is refused", async () => {
  const { message } = await manifestError((request, response) => {
    response.setHeader("docker-content-digest", blob.digest);
    sends({})(request, response);
  });
  assert.match(message, /its content is not what its digest/);
});

test("an index that names itself for ever ends", async () => {
  const index = "application/vnd.oci.image.index.v1+json";
  const { message } = await manifestError((request, response) => {
    const platform = { os: "linux", architecture: "amd64" };
    const entry = { mediaType: index, digest: blob.digest, size: 3, platform };
    sends({ manifests: [entry] }, index)(request, response);
  });
  assert.match(message, /its content is not what its digest|bytes in place of 3/);
});

test("a blob of other content is refused, and not kept", async () => {
  const other = Buffer.from("THE CONTENT OF A BLOB");
  const { error, files } = await blobError((_request, response) => response.end(other));
  assert.match(error.message, /its content is not what its digest says/);
  assert.equal(files, []);
});

test("a blob of another length is refused, announced or not", async () => {
  const longer = Buffer.alloc(10_000);
  const announced = await blobError((_request, response) => response.end(longer));
  assert.match(announced.error.message, /sends 10000 bytes in place of 21/);
  const chunked = await blobError((_request, response) => {
    response.write(longer);
    response.end();
  });
  assert.match(chunked.error.message, /sends more than 21 bytes/);
  assert.equal(chunked.files, []);
});

/** Not at once: Node's client drops what it has not handed on when a connection ends before the reply does. */
const BREAKS_OFF_MS = 100;
const breakOff = (response: ServerResponse): void => {
  setTimeout(() => response.destroy(), BREAKS_OFF_MS);
};

test("a blob that stalls is given up; what came is kept", async () => {
  const { error, files } = await blobError((_request, response) => {
    response.writeHead(200, { "content-length": String(content.length) });
    response.write(content.subarray(0, 5));
  }, 50);
  assert.is(error.code, "WL_IMAGE_REGISTRY");
  assert.match(error.message, /said nothing for 0\.05 s/);
  assert.equal(files, ["blob.partial"]);
});

test("a registry that goes on elsewhere, or denies the rest, is refused; what came is not kept", async () => {
  const headers = { "content-range": `bytes 3-20/${content.length}` };
  const cases: readonly [number, Record<string, string>, RegExp][] = [
    [206, headers, /it sends another range/],
    [206, {}, /it sends another range/],
    [416, {}, /it has less than it said/],
  ];
  for (const [status, more, expected] of cases) {
    const { error, files } = await blobError((request, response) => {
      if (request.headers.range !== undefined) response.writeHead(status, more).end("x");
      else {
        response.writeHead(200, { "content-length": String(content.length) });
        response.write(content.subarray(0, 5), () => breakOff(response));
      }
    });
    assert.match(error.message, expected);
    assert.equal(files, []);
  }
});

test("a blob is not fetched from another scheme, nor in a circle", async () => {
  for (const [location, expected] of [
    ["file:///etc/passwd", /sends us to/],
    ["ftp://127.0.0.1/x", /sends us to/],
    ["http://[", /redirects to no address/],
    ["?again", /redirects in a loop/],
  ] as const) {
    const { error, files } = await blobError((_request, response) => {
      response.writeHead(302, { location }).end();
    });
    assert.is(error.code, "WL_IMAGE_REGISTRY");
    assert.match(error.message, expected);
    assert.equal(files, ["blob.partial"]);
  }
});

test("a server of tokens that sends anything but one is refused", async () => {
  for (const [answer, expected] of [
    ["x".repeat(300_000), /larger than 262144 bytes/],
    ["{}", /gives no token/],
    ['{"token": "a b\\r\\nx: y"}', /gives no token/],
    ['{"token": 7}', /gives no token/],
  ] as const) {
    const { message } = await manifestError((request, response) => {
      if (request.url?.startsWith("/token")) response.end(answer);
      else {
        const realm = `http://${request.headers.host}/token`;
        response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end();
      }
    });
    assert.match(message, expected);
  }
});

test("a blob that always breaks off is given up; what came is kept", async () => {
  const { error, files, requests } = await blobError((_request, response) => {
    response.writeHead(200, { "content-length": String(content.length) });
    response.write(content.subarray(0, 5), () => breakOff(response));
  });
  assert.is(error.code, "WL_IMAGE_REGISTRY");
  assert.ok(requests.length <= 8, String(requests.length));
  assert.equal(files, ["blob.partial"]);
});

test("a blob that breaks off goes on where it stopped", async () => {
  const ranges: unknown[] = [];
  const { error, files } = await blobError((request, response) => {
    ranges.push(request.headers.range);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const length = String(content.length - from);
    const range = `bytes ${from}-${content.length - 1}/${content.length}`;
    const headers = { "content-length": length, ...(from > 0 && { "content-range": range }) };
    response.writeHead(from > 0 ? 206 : 200, headers);
    response.write(content.subarray(from, from + 9), () => {
      if (from + 9 < content.length) breakOff(response);
      else response.end();
    });
  });
  assert.is(error, true);
  assert.equal(ranges, [undefined, "bytes=9-", "bytes=18-"]);
  assert.equal(files, ["blob"]);
});

test("a password goes to the registry, and not to where it redirects", async () => {
  await using elsewhere = await hostileRegistry(sends({}));
  await using registry = await hostileRegistry((request, response) => {
    if (request.headers.authorization === undefined) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    } else response.writeHead(307, { location: `http://${elsewhere.host}/blob` }).end();
  });
  const credentials = { user: "me", password: "secret" };
  using client = new RegistryClient(registry.host, "", { plainHttp: true, credentials });
  const request = { method: "GET", target: "a/blobs/x", what: "test", expected: [200] } as const;
  (await client.request(request)).destroy();
  assert.match(registry.headers().authorization ?? "", /^Basic /);
  assert.equal(elsewhere.requests, ["GET /blob"]);
  assert.is(elsewhere.headers().authorization, undefined);
});

test("a token is fetched with service and scope, and sent with the next attempt", async () => {
  let wanted = "";
  await using registry = await hostileRegistry((request, response) => {
    if (request.url?.startsWith("/token")) {
      wanted = request.url;
      response.end(JSON.stringify({ token: "abc" }));
    } else if (request.headers.authorization === "Bearer abc") response.end("yes");
    else {
      const realm = `http://${request.headers.host}/token`;
      const challenge = `Bearer realm="${realm}",service="reg",scope="repository:other:push"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
    }
  });
  const options = { plainHttp: true, environment };
  using client = new RegistryClient(registry.host, "repository:a:pull", options);
  const request = { method: "GET", target: "a/x", what: "test", expected: [200] } as const;
  const reply = await client.request(request);
  assert.is(String(await client.body(reply, "test", 100)), "yes");
  assert.is(wanted, "/token?service=reg&scope=repository%3Aa%3Apull");
});

test("a registry that always wants another token is refused", async () => {
  const { message, facts } = await manifestError((_request, response) => {
    response.writeHead(401, { "www-authenticate": 'Bearer realm="gopher://x"' }).end();
  });
  assert.match(message, /names a server of tokens that cannot be used/);
  assert.ok(facts.next);
});

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

test.run();
