/** The servers that stand by while a row runs. */
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { connect } from "node:tls";
import { equal, is, match } from "uvu/assert";
import {
  makeCertificates,
  SERVER_NAME,
} from "../../../../host-tools/conformance/runtime/certificates.ts";
import {
  answerTo,
  openNameServer,
  PRESENT_ADDRESS,
  PRESENT_NAME,
} from "../../../../host-tools/conformance/runtime/name-server.ts";
import { openTlsServer } from "../../../../host-tools/conformance/runtime/tls-server.ts";
import { findTool } from "../../../../image-builder/runtimes/toolchain.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";

const test = suite("conformance: the runtime suite's servers");

test("one name is there, and others are not", async () => {
  await using server = await openNameServer();
  const resolver = new Resolver({ timeout: 2000, tries: 3 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  equal(await resolver.resolve4(PRESENT_NAME), [PRESENT_ADDRESS]);
  is(await resolver.resolve4("other.test").catch(({ code }) => code), "ENOTFOUND");
  is(await resolver.resolve6(PRESENT_NAME).catch(({ code }) => code), "ENODATA");
});

test("what is no question gets no answer", () => {
  const question = Buffer.from("0001010000010000000000000161000001" + "0001", "hex");
  is(answerTo(question)?.readUInt16BE(0), 1);
  for (let size = 0; size < question.length; size++) {
    is(answerTo(question.subarray(0, size)), undefined, `${size} bytes`);
  }
  const reply = Buffer.from(question);
  reply[2] = 0x81;
  is(answerTo(reply), undefined);
});

test("a server that is sent nonsense goes on", async () => {
  await using server = await openNameServer();
  const socket = createSocket("udp4");
  socket.send(Buffer.alloc(512, 0xff), server.port, "127.0.0.1");
  const resolver = new Resolver({ timeout: 2000, tries: 3 });
  resolver.setServers([`127.0.0.1:${server.port}`]);
  equal(await resolver.resolve4(PRESENT_NAME), [PRESENT_ADDRESS]);
  socket.close();
});

if (findTool({ program: "openssl" })) {
  test("a TLS server is trusted by the one authority, not by the other", async () => {
    await using folder = await temporaryFolder();
    await using server = await openTlsServer(await makeCertificates(folder.path));
    const line = async (authority: string): Promise<string> => {
      const ca = await readFile(folder.file(authority));
      const socket = connect({ port: server.port, host: "127.0.0.1", servername: SERVER_NAME, ca });
      let text = "";
      for await (const chunk of socket) text += chunk;
      return text;
    };
    is(await line("ca.pem"), "hello over TLS\n");
    match(await line("other-ca.pem").catch(({ message }) => message), /certificate/);
  });
} else {
  test.skip("openssl is missing", "a TLS server is trusted by the one authority");
}

test.run();
