/** Which ports an instance publishes. */
import * as assert from "uvu/assert";
import { newRecord } from "../../../../host-tools/instance/new-record.ts";
import { parsePublish } from "../../../../host-tools/network/publish.ts";
import { ImageStore } from "../../../../image-builder/store/image-store.ts";
import { suite } from "../../../support/suite.ts";
import { temporaryFolder } from "../../../support/temporary-folder.ts";
import { storedConfig } from "../../image-builder/store/store-fixture.ts";

const test = suite("new record");

test("all ports of the image are published where that is asked for, those named as they are named", async () => {
  await using folder = await temporaryFolder();
  const config = await storedConfig(new ImageStore(folder.path));
  const image = {
    ...{ id: "0".repeat(64), names: ["web:latest"] },
    config: {
      ...config,
      program: { ...config.program, ports: [{ port: 80, protocol: "tcp" as const }] },
      exposedPorts: [80, 443, 53].map((port) => ({ port, protocol: "tcp" as const })),
    },
  };
  const published = (publishAll: boolean) =>
    newRecord({ id: "1".repeat(32), name: "web" }, image, {
      ...{ image: "web", publishAll, publish: [parsePublish("8443:443"), parsePublish("53/udp")] },
    }).options.publish.map(
      ({ hostAddress, hostPort, guestPort, protocol }) =>
        `${hostAddress}:${hostPort ?? ""}:${guestPort}/${protocol}`,
    );
  const named = ["127.0.0.1:8443:443/tcp", "127.0.0.1::53/udp"];
  assert.equal(published(false), named);
  assert.equal(published(true), [...named, "127.0.0.1::80/tcp", "127.0.0.1::53/tcp"]);
});

test.run();
