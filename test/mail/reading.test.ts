import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readContents } from "../../src/mail/reading.ts";

const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const read = (text: string) => readContents(latin1(text.replace(/\n/g, "\r\n")));

describe("a message that is read", () => {
  it("has its fields decoded and unfolded", () => {
    const { fields } = read("Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\n and more\nX: 1\n\ntext\n");
    assert.deepEqual(fields, [
      { name: "Subject", value: "grüße and more" },
      { name: "X", value: "1" },
    ]);
  });

  it("has its text in its own charset, from quoted-printable and base64", () => {
    const head = 'Content-Type: text/plain; charset="iso-8859-1"\nContent-Transfer-Encoding:';
    assert.equal(read(`${head} quoted-printable\n\ngr=FC=DFe, soft=\nly\n`).text, "grüße, softly\n");
    assert.equal(read(`${head} BASE64\n\nZ3L8\n32U=\n`).text, "grüße");
  });

  it("has the plain text of many parts, and the names of the others", () => {
    const message = read(
      'Content-Type: multipart/mixed; boundary="a"\n\npreamble\n--a\nContent-Type: multipart/alternative; boundary=b\n\n' +
        "--b\nContent-Type: text/html\n\n<p>rich</p>\n--b\n\nplain\n--b--\n" +
        '--a\nContent-Type: image/png; name="=?utf-8?q?b=C3=A4r.png?="\n\nxyz\n--a--\nepilogue\n',
    );
    assert.equal(message.text.trim(), "plain");
    assert.equal(message.fromHtml, false);
    assert.deepEqual(message.parts, [{ type: "image/png", name: "bär.png", octets: 5 }]);
  });

  it("has the words of its HTML where it has no other text", () => {
    const message = read(
      "Content-Type: text/html\n\n<head><style>p{}</style></head><p>One &amp; two</p><script>x<y</script><div>three</div>\n",
    );
    assert.equal(message.text, "One & two\nthree");
    assert.equal(message.fromHtml, true);
  });

  it("is read in the time of its length, whatever it is", () => {
    const began = performance.now();
    for (const text of [
      `Content-Type: text/html\n\n${"<style><".repeat(60_000)}`,
      "Content-Type: multipart/mixed; boundary=a\n\n" +
        "--a\nContent-Type: multipart/mixed; boundary=a\n\n".repeat(9_000),
      `Content-Type: ${";".repeat(400_000)}\n\n`,
      "a:".repeat(200_000),
      "\n".repeat(400_000),
      `Content-Transfer-Encoding: quoted-printable\n\n${"= ".repeat(200_000)}`,
    ])
      readContents(latin1(text));
    assert.ok(performance.now() - began < 4000);
  });
});
