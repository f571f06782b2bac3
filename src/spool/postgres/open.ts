/** Opens a shared spool: `postgres://…` in place of a path. The same front as the embedded one, on another store. */
// Five connections at most, each made when it is first needed: writing, looking, pieces in, pieces out, listening.
import { hostname } from "node:os";
import type { Clock } from "../../platform/clock.ts";
import type { Log } from "../../platform/log.ts";
import type { Random } from "../../platform/random.ts";
import { EmbeddedSpool } from "../front.ts";
import { SpoolError } from "../spool.ts";
import { uuids } from "../uuid.ts";
import { type PostgresAddress, parsePostgres } from "./address.ts";
import { type Connection, connect } from "./connection.ts";
import { faultOf } from "./fault.ts";
import { Herald } from "./herald.ts";
import { Lanes } from "./lanes.ts";
import { Node, nodesOf } from "./node.ts";
import { Pieces } from "./pieces.ts";
import { Redial } from "./redial.ts";
import { mustBe, type Step, steps, upgrade, WITH_OBJECTS } from "./schema.ts";
import { agreedPlace, placeIn, Shelves } from "./shelves.ts";
import { PostgresStore } from "./store.ts";
import { sweep, unnamed } from "./sweep.ts";

export interface PostgresSpoolOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly actor: string;
  /** The id that a new spool gets; undefined: one that never was. */
  readonly id: string | undefined;
  /** For a single act: it is no node, and hears no other. */
  readonly asIs: boolean;
  /** It is not made: it must be there. */
  readonly there?: boolean | undefined;
  /** For tests: the clock of connections, where the spool's is moved by hand; and another table of steps. */
  readonly lineClock?: Clock | undefined;
  readonly steps?: readonly Step[] | undefined;
}

/** @throws SpoolError */
export async function openPostgres(options: PostgresSpoolOptions): Promise<EmbeddedSpool> {
  const { clock, random, log, actor, asIs } = options;
  const lineClock = options.lineClock ?? clock;
  const address = addressOf(options.address);
  const newId = uuids(lineClock, random);
  const id = newId();
  const dial = () => connect(address, actor);
  const writing = new Redial(dial);
  const made = {
    id: options.id ?? newId(),
    secret: Buffer.from(random.bytes(32)).toString("hex"),
    schema: address.schema,
  };
  try {
    if (options.there === true) await mustBe(await writing.connection());
    const meta = await upgrade(await writing.connection(), made, options.steps);
    const known = (options.steps ?? steps).length;
    const channel = `odmr_${meta.id.replaceAll("-", "")}`;
    const herald = new Herald({ dial, node: id, channel, clock: lineClock });
    const looking = new Redial(dial);
    const storeOn = (line: Redial, lanes: Lanes) =>
      new PostgresStore({
        ...{ line, lanes, clock: lineClock, node: id, newId, standing: () => node.standing },
        committed: () => herald.tell(),
      });
    // A piece is durable with the commit that names its body.
    const writingPieces = new Redial(() => connect(address, actor, "none"));
    const bodies = new Shelves({
      pieces: new Pieces({ writing: writingPieces, reading: new Redial(dial), clock: lineClock }),
      ...{ id: meta.id, credentials: address.credentials, clock: lineClock },
      place: await placeOf(await writing.connection(), address, asIs),
      kept: async () => await placeIn(await writing.connection()),
    });
    const { objects } = bodies;
    const node = new Node({
      ...{ id, name: hostname(), actor, line: writing, clock: lineClock, log, known },
      sweep: async (signal) => objects && (await sweep(() => writing.connection(), objects, { log, signal })),
    });
    if (!asIs) await node.begin();
    return new EmbeddedSpool(storeOn(writing, new Lanes()), {
      ...{ id: meta.id, secret: meta.secret, bodies, clock, random, log, actor },
      strays: async () =>
        objects === undefined
          ? []
          : (await Array.fromAsync(unnamed(() => writing.connection(), objects))).flat(),
      reader: async () => storeOn(looking, new Lanes()),
      nodes: async () => await nodesOf(await looking.connection(), id),
      heard: asIs ? undefined : (look) => herald.listen(look),
      closing: async () => {
        await node.close();
        await Promise.all([herald, bodies, looking].map((each) => each.close()));
      },
    });
  } catch (error) {
    await writing.close();
    if (error instanceof SpoolError) throw error;
    const { trouble, message } = faultOf(error);
    const fault = trouble === "lost" || trouble === "again" ? "busy" : trouble;
    throw new SpoolError(fault, message, { cause: error });
  }
}

/** A single act names no bucket for others. @throws SpoolError */
async function placeOf(db: Connection, { bodies }: PostgresAddress, asIs: boolean) {
  const named = asIs && (await placeIn(db)) === undefined ? undefined : bodies;
  return await agreedPlace(db, { named, least: WITH_OBJECTS });
}

function addressOf(spool: string): PostgresAddress {
  try {
    return parsePostgres(spool);
  } catch (cause) {
    throw new SpoolError("request", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}
