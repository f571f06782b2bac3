/** Foreign hosts: a smarthost in the world, and a customer whose program keeps no ledger and forgets what it had. */
import type { Connection } from "../../src/net/connection.ts";
import { Drive } from "../../src/net/drive.ts";
import { type Login, logIn } from "../../src/relay/login.ts";
import { serverSession } from "../../src/smtp/server.ts";
import type { ServerEvent } from "../../src/smtp/session.ts";
import { reply } from "../../src/wire/reply.ts";
import type { Life } from "./world.ts";

export interface Kept {
  readonly from: string;
  readonly to: readonly string[];
  readonly content: Uint8Array;
}

interface Keeper {
  readonly service: "intake" | "reversed";
  readonly life: Life;
  readonly keep: (message: Kept) => void;
  /** Whether it cannot now, and says 4xx. */
  readonly moody: () => boolean;
  /** It is of the old kind: DATA, a command at a time. */
  readonly plain?: boolean | undefined;
}

const fine = reply(250, "2.0.0", "fine");
const later = reply(451, "4.3.0", "not now");

/** Serves a line to its end, keeping whatever comes. */
export async function keepAll(keeper: Keeper, line: Connection): Promise<void> {
  const { service, life, keep, moody, plain } = keeper;
  const connection = plain ? withoutExtensions(line) : line;
  const session = serverSession({
    ...{ service, hostname: "stranger.test", secure: false, startTls: false, requireTls: false },
    ...{ mechanisms: [], sizeLimit: 10_000_000, recipientLimit: 100, bareLineEnds: "refuse" },
    ...{ owedLimit: 4, ledger: false },
  });
  const drive = new Drive(session, connection);
  let from = "";
  let to: string[] = [];
  let pieces: Uint8Array[] = [];
  const answer = (event: ServerEvent): void => {
    switch (event.type) {
      case "mail":
        from = event.from;
        to = [];
        return session.reply(moody() ? later : fine);
      case "rcpt":
        if (moody()) return session.reply(later);
        to.push(event.to);
        return session.reply(fine);
      case "body":
        pieces = [];
        return session.proceed();
      case "octets":
        return void pieces.push(event.bytes);
      case "complete": {
        const { token } = event;
        const message = { from, to, content: new Uint8Array(Buffer.concat(pieces)) };
        const takes = !moody();
        void life.do(life.random.wait(5, 500), () => {
          if (takes) keep(message);
          session.settle(token, [takes ? fine : later]);
          drive.wake();
        });
        return;
      }
      case "greeted":
      case "reset":
      case "quit":
      case "failed":
        return;
      default:
        return session.reply(reply(502, "5.5.1", "not here"));
    }
  };
  session.greet(reply(220, undefined, "stranger.test ESMTP"));
  await drive.run({ answer });
  await connection.close();
}

/** What EHLO is answered has neither PIPELINING nor CHUNKING in it. */
function withoutExtensions(line: Connection): Connection {
  const plain = (bytes: Uint8Array): Uint8Array =>
    Buffer.from(
      Buffer.from(bytes)
        .toString("latin1")
        .replace(/^250-(?:PIPELINING|CHUNKING)\r\n/gm, ""),
      "latin1",
    );
  return new Proxy(line, {
    get(target, name) {
      if (name === "write" || name === "writeThrough")
        return (bytes: Uint8Array, within: number) => target[name](plain(bytes), within);
      const own = target[name as keyof Connection] as unknown;
      return typeof own === "function" ? own.bind(target) : own;
    },
  });
}

/** One call of a foreign ODMR program: for its mail on this line (ATRN), or on one that is made to its host (ETRN). */
export async function strangersCall(
  login: Login,
  connect: () => Promise<Connection>,
  { by, ...keeper }: Omit<Keeper, "service"> & { readonly by: "ATRN" | "ETRN" },
): Promise<void> {
  const talk = await logIn(login, { connect, random: keeper.life.random, pbkdf2: quick });
  if (by === "ATRN") await talk.ask({ verb: "ATRN", domains: [] });
  else await talk.ask({ verb: "ETRN", node: `#${login.user}` });
  if (talk.turned) await keepAll({ ...keeper, service: "reversed" }, talk.connection);
  else await talk.close();
}

/** A key derivation that costs nothing: passwords are not what is tried here. */
export function quick(password: string, salt: Uint8Array): Uint8Array {
  const key = new Uint8Array(32);
  [...new TextEncoder().encode(password), ...salt].forEach((octet, i) => {
    key[i % 32] = ((key[i % 32] ?? 0) * 31 + octet + i) & 0xff;
  });
  return key;
}
