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
  /** Now and then it cannot, and says 4xx. */
  readonly moody: number;
}

const fine = reply(250, "2.0.0", "fine");
const later = reply(451, "4.3.0", "not now");

/** Serves a line to its end, keeping whatever comes. */
export async function keepAll({ service, life, keep, moody }: Keeper, connection: Connection): Promise<void> {
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
        return session.reply(life.random.happens(moody) ? later : fine);
      case "rcpt":
        if (life.random.happens(moody)) return session.reply(later);
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
        const takes = !life.random.happens(moody);
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
  await drive.run(answer);
  await connection.close();
}

/** One call of a foreign ODMR program. */
export async function strangersCall(
  login: Login,
  connect: () => Promise<Connection>,
  keeper: Omit<Keeper, "service">,
): Promise<void> {
  const talk = await logIn(login, { connect, random: keeper.life.random, pbkdf2: quick });
  await talk.ask({ verb: "ATRN", domains: [] });
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
