/** One order at a certificate authority (RFC 8555): an account, proof for each name, a new key, its certificate. */
// The library is loaded here and speaks through one exchange at a time, so orders of one process follow each other.
import { isIP } from "node:net";
import type { Clock, Instant } from "../platform/clock.ts";
import { type Answer, ask, type Question } from "./exchange.ts";

/** How it is proved that a name is ours. */
export type ChallengeType = "http-01" | "tls-alpn-01" | "dns-01";

/** What the CA looks for, for one name. */
export interface Proof {
  /** Without "*.". */
  readonly name: string;
  readonly token: string;
  /** http-01, tls-alpn-01: the key authorization; dns-01: the text of the TXT record. */
  readonly value: string;
}

/** Who shows proofs to the CA. */
export interface Showcase {
  readonly type: ChallengeType;
  /** Resolves when the CA may look. */
  show(proofs: readonly Proof[]): Promise<void>;
  hide(proofs: readonly Proof[]): Promise<void>;
}

export interface Wanted {
  /** The directory's URL. */
  readonly directory: string;
  /** Host names, also with "*.", and addresses. */
  readonly names: readonly string[];
  /** PEM. The account is whoever has this key: it is made at the first order. */
  readonly accountKey: string;
  readonly contact: string | undefined;
  /** RFC 8555 §7.3.4: an account that the CA knows from elsewhere. */
  readonly external: { readonly id: string; readonly key: string } | undefined;
  /** Which of its kinds of certificates, where the CA has several. */
  readonly profile: string | undefined;
  /** Who signed the directory's own certificate, PEM; undefined: the system's CAs. */
  readonly ca: string | undefined;
}

export interface OrderTools {
  readonly clock: Clock;
  readonly showcase: Showcase;
  readonly signal: AbortSignal;
  /** Milliseconds before the CA is asked a second time whether it is done; then twice as long, and so on. */
  readonly patience?: number;
}

export interface Issued {
  /** With its chain, PEM. */
  readonly certificate: string;
  readonly key: string;
}

/** No certificate, and why. */
export class OrderError extends Error {
  override readonly name = "OrderError";
  /** The CA wants no further order before. */
  readonly later: Instant | undefined;
  constructor(message: string, later: Instant | undefined, options?: ErrorOptions) {
    super(message, options);
    this.later = later;
  }
}

type Library = typeof import("acme-client");
type Client = InstanceType<Library["Client"]>;

const PATIENCE = 1_000;
const PATIENCE_AT_MOST = 15_000;
const LOOKS = 14;

/** @throws OrderError */
export async function order(wanted: Wanted, tools: OrderTools): Promise<Issued> {
  let later: Instant | undefined;
  try {
    const acme = await libraryWith(wanted, tools, (at) => {
      later = at;
    });
    return await orderBy(acme, wanted, tools);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OrderError(why || "the CA gives no reason", later, { cause });
  }
}

async function libraryWith(
  { ca }: Wanted,
  { clock, signal }: OrderTools,
  onLater: (at: Instant) => void,
): Promise<Library> {
  const loaded = (await import("acme-client")) as Library & { readonly default?: Library };
  const acme = loaded.default ?? loaded;
  const adapter = async (question: Question) => {
    const answer: Answer = await ask(question, { clock, ca, signal, onLater });
    return { ...answer, config: question };
  };
  acme.axios.defaults.adapter = adapter as unknown as NonNullable<typeof acme.axios.defaults.adapter>;
  return acme;
}

async function orderBy(acme: Library, wanted: Wanted, tools: OrderTools): Promise<Issued> {
  const { directory, accountKey, external, contact, names, profile } = wanted;
  const client = new acme.Client({
    directoryUrl: directory,
    accountKey,
    ...(external && { externalAccountBinding: { kid: external.id, hmacKey: external.key } }),
    ...{
      backoffAttempts: LOOKS,
      backoffMin: tools.patience ?? PATIENCE,
      backoffMax: PATIENCE_AT_MOST,
    },
  });
  await enrol(client, contact);
  const ordered = await client.createOrder({
    identifiers: names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
    ...(profile !== undefined && { profile }),
  });
  await prove(client, ordered, tools.showcase);
  const key = await acme.crypto.createPrivateEcdsaKey();
  const [, request] = await acme.crypto.createCsr({ altNames: [...names] }, key);
  const finished = await client.finalizeOrder(ordered, request);
  return { certificate: await client.getCertificate(finished), key: key.toString("latin1") };
}

/** Without a contact there is nothing to tell of an account that is there, and an update that says nothing is refused. */
async function enrol(client: Client, contact: string | undefined): Promise<void> {
  const known =
    contact === undefined &&
    (await client.createAccount({ onlyReturnExisting: true }).then(
      () => true,
      () => false,
    ));
  if (known) return;
  await client.createAccount({
    termsOfServiceAgreed: true,
    ...(contact !== undefined && { contact: [`mailto:${contact}`] }),
  });
}

/** All proofs are shown before the CA is told of the first: a record in DNS takes its time once, not once for each name. */
async function prove(
  client: Client,
  ordered: Awaited<ReturnType<Client["createOrder"]>>,
  showcase: Showcase,
): Promise<void> {
  const open = (await client.getAuthorizations(ordered)).filter(({ status }) => status === "pending");
  const due = await Promise.all(
    open.map(async ({ identifier: { value: name }, challenges }) => {
      const challenge = challenges.find(({ type }) => type === showcase.type);
      const offered = challenges.map(({ type }) => type).join(", ");
      if (challenge === undefined)
        throw new Error(`the CA takes no ${showcase.type} for ${name}, but ${offered}`);
      const value = await client.getChallengeKeyAuthorization(challenge);
      return { challenge, proof: { name, token: challenge.token, value } };
    }),
  );
  const proofs = due.map(({ proof }) => proof);
  try {
    if (proofs.length > 0) await showcase.show(proofs);
    for (const { challenge, proof } of due) {
      await client.completeChallenge(challenge);
      await client.waitForValidStatus(challenge).catch((cause: unknown) => {
        throw new Error(`${proof.name} is not proved: ${(cause as Error).message}`, { cause });
      });
    }
  } finally {
    await showcase.hide(proofs);
  }
}
