/** Octets made from octets: a seed corpus is bent, cut, doubled and spliced, by a seeded chance. */
// Words of the protocol are among what is put in: bent octets alone would seldom get past the first verb.
import type { Random } from "../../src/platform/random.ts";

const WORDS = [
  ..."EHLO a.test\r\n|LHLO a.test\r\n|HELO a\r\n|RSET\r\n|NOOP\r\n|QUIT\r\n|DATA\r\n|STARTTLS\r\n|ATRN\r\n|AUTH PLAIN\r\n|*\r\n".split(
    "|",
  ),
  ..."ATRN example.org\r\n|ATRN other.example\r\n|AUTH PLAIN AGhvbWUAc2VjcmV0\r\n|AGhvbWUAc2VjcmV0\r\n|ETRN example.org\r\n".split(
    "|",
  ),
  ..."MAIL FROM:<a@b.test>\r\n|MAIL FROM:<>\r\n|MAIL FROM:<nodisk@b.test>\r\n|RCPT TO:<bob@example.org>\r\n|RCPT TO:<x@y.test>\r\n".split(
    "|",
  ),
  ..."BDAT 0\r\n|BDAT 0 LAST\r\n|BDAT 5\r\n12345|BDAT 5 LAST\r\n12345|BDAT 1 LAST\r\n\r|BDAT 999999 LAST\r\n|BDAT -1\r\n".split(
    "|",
  ),
  ..." SIZE=1| SIZE=-1| BODY=8BITMIME| SMTPUTF8| ENVID=a+0D+0A| AUTH=<>| RET=HDRS| NOTIFY=NEVER| ORCPT=rfc822;a+40b".split(
    "|",
  ),
  ...'\r\n.\r\n|\n.\n|\r.\r|\n.\r\n|\r\n.\n|.\r\n|\r\n..\r\n|\r\r\n.\r\n|\0|\x1b[2J|\xff|<@a,@b:c@d>|"|\\'.split(
    "|",
  ),
  ..."220 x\r\n|250 ok\r\n|250-a\r\n|354 go\r\n|334 \r\n|421 bye\r\n|550 5.1.1 no\r\n|453 none\r\n|235 in\r\n|221 bye\r\n".split(
    "|",
  ),
].map((word) => Buffer.from(word, "latin1"));

/** The longest input; what grows beyond is cut. */
const LONGEST = 40_000;

export class Mutator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** One of the corpus, changed in one to eight places. */
  next(corpus: readonly Uint8Array[]): Uint8Array {
    let bytes: Buffer = Buffer.from(this.#one(corpus));
    for (let left = 1 + this.#below(8); left > 0; left--) bytes = this.#change(bytes, corpus);
    return new Uint8Array(bytes.subarray(0, LONGEST));
  }

  #change(bytes: Buffer, corpus: readonly Uint8Array[]): Buffer {
    const at = this.#below(bytes.length + 1);
    const to = Math.min(bytes.length, at + this.#below(40));
    const spliced = (middle: Uint8Array, end = at) =>
      Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(end)]);
    switch (this.#below(10)) {
      case 0:
        return spliced(Buffer.from([this.#below(256)]), Math.min(bytes.length, at + 1));
      case 1:
        return spliced(Buffer.from([this.#below(256)]));
      case 2:
        return spliced(new Uint8Array(), to);
      case 3:
        return spliced(Buffer.concat([bytes.subarray(at, to), bytes.subarray(at, to)]), to);
      case 4:
        return spliced(this.#one(WORDS), to);
      case 5: {
        const other = this.#one(corpus);
        return spliced(other.subarray(this.#below(other.length)));
      }
      case 6:
        return bytes.subarray(0, at);
      case 7:
        return spliced(Buffer.concat(Array<Uint8Array>(this.#below(200)).fill(bytes.subarray(at, to))), to);
      default:
        return spliced(this.#one(WORDS));
    }
  }

  #one<T>(of: readonly T[]): T {
    return of[this.#below(of.length)]!;
  }

  #below(count: number): number {
    return Math.floor(this.#random.fraction() * count);
  }
}
