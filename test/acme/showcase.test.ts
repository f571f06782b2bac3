/** What others find at the doors that are the CA's, and what becomes of the operator's programs. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { openAlpnShowcase } from "../../src/acme/alpn.ts";
import { dnsShowcase } from "../../src/acme/dns.ts";
import { openHttpShowcase } from "../../src/acme/http.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { systemRandom } from "../../src/platform/random.ts";
import { manualClock } from "../support/clock.ts";

const anywhere = { host: "127.0.0.1", port: 0 };
const proof = { name: "relay.test", token: "t0ken", value: "t0ken.thumb" };

function ask(port: number, method: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, method, path, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      answer.on("end", () => resolve(`${answer.statusCode} ${text.trim()}`.trim()));
    });
    asked.on("error", reject);
    asked.end();
  });
}

describe("the CA's door for HTTP", () => {
  it("has the proof while it is shown, and nothing else", async () => {
    const showcase = await openHttpShowcase(anywhere);
    const { port } = showcase.address;
    const path = "/.well-known/acme-challenge/t0ken";
    const nothing = "404 there is nothing here";
    try {
      assert.equal(await ask(port, "GET", path), nothing);
      await showcase.show([proof]);
      assert.equal(await ask(port, "GET", path), "200 t0ken.thumb");
      assert.equal(await ask(port, "HEAD", path), "200");
      assert.equal(await ask(port, "POST", path), nothing);
      for (const other of ["/", "/.well-known/acme-challenge/", "/t0ken", `${path}/../t0ken2`, "//x/"])
        assert.equal(await ask(port, "GET", other), nothing, other);
      await showcase.hide([proof]);
      assert.equal(await ask(port, "GET", path), nothing);
    } finally {
      await showcase.close();
    }
    await assert.rejects(ask(port, "GET", path));
  });

  it("that is another program's already says so", async () => {
    const showcase = await openHttpShowcase(anywhere);
    try {
      await assert.rejects(openHttpShowcase({ host: "127.0.0.1", port: showcase.address.port }), {
        name: "ConnectionError",
        message: `cannot listen on 127.0.0.1:${showcase.address.port}: another program listens there; stop it, or choose another address`,
      });
    } finally {
      await showcase.close();
    }
  });
});

it("the CA's door for TLS sends everybody away while nothing is shown", async () => {
  const showcase = await openAlpnShowcase(anywhere, { clock: systemClock, random: systemRandom });
  try {
    const heard = await new Promise<number>((resolve) => {
      let octets = 0;
      const socket = connect(showcase.address.port, "127.0.0.1", () =>
        socket.write("GET / HTTP/1.0\r\n\r\n"),
      );
      socket.on("data", (bytes: Buffer) => {
        octets += bytes.length;
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(octets));
    });
    assert.equal(heard, 0);
  } finally {
    await showcase.close();
  }
});

describe("a record in DNS", () => {
  const left: string[] = [];
  const tools = (clock = manualClock()) => ({
    clock,
    signal: new AbortController().signal,
    onLeft: (why: string) => void left.push(why),
  });

  it("is waited for after its program has ended", async () => {
    const clock = manualClock();
    const plan = { set: ["true"], clear: undefined, wait: 30_000 };
    let shown = false;
    const showing = dnsShowcase(plan, tools(clock))
      .show([proof])
      .then(() => {
        shown = true;
      });
    while (clock.timers === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(29_999);
    assert.equal(shown, false);
    await clock.advance(1);
    await showing;
  });

  it("that its program could not make ends the order with what the program said", async () => {
    const set = ["sh", "-c", 'echo "no zone for $1 and $2" >&2; exit 3', "dns", "{name}", "{value}"];
    await assert.rejects(dnsShowcase({ set, clear: undefined, wait: 0 }, tools()).show([proof]), {
      message: "sh: it ended with status 3: no zone for _acme-challenge.relay.test and t0ken.thumb",
    });
    await assert.rejects(
      dnsShowcase({ set: ["/nowhere/dns"], clear: undefined, wait: 0 }, tools()).show([proof]),
      { message: "/nowhere/dns: there is no such program" },
    );
  });

  it("that stays is said, and is no trouble", async () => {
    await dnsShowcase({ set: ["true"], clear: ["false"], wait: 0 }, tools()).hide([proof]);
    assert.deepEqual(left, ["false: it ended with status 1"]);
  });
});
