/** Delivery status notifications: multipart/report with a text for people, one for machines, and what it is about (RFC 3461-3464). */
// Replies and addresses come from strangers: nothing of them may end a line of a notice or begin a field in it.
import type { Instant } from "../platform/clock.ts";
import { type Address, isAscii } from "../wire/address.ts";
import type { Envelope } from "./envelope.ts";
import { begin, clean, finish } from "./letter.ts";
import { mailDate } from "./trace.ts";

/** What is told of a recipient: refused or expired (both failed), not there yet, or handed on to a host that tells nothing. */
export type NoticeKind = "refused" | "expired" | "delayed" | "relayed";

export interface NoticedRecipient {
  readonly address: Address;
  readonly orcpt?: string | undefined;
  readonly kind: NoticeKind;
  /** The next hop's reply on one line, "550 5.1.1 No such user"; "" if there was none. */
  readonly reply: string;
}

export interface Notice {
  /** Our name: the reporting MTA. */
  readonly hostname: string;
  readonly id: string;
  readonly at: Instant;
  readonly envelope: Pick<Envelope, "from" | "ret" | "envid">;
  readonly arrived: Instant;
  /** When we give up; told of what is delayed. */
  readonly expires: Instant;
  readonly recipients: readonly NoticedRecipient[];
  /** The message that it is about, and how many octets it has. */
  readonly size: number;
  content(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** A message that is larger comes back as its header, whatever RET says (RFC 3461 §5.2 leaves that to us). */
const FULL_AT_MOST = 1_048_576;
const HEADER_AT_MOST = 65_536;

/** The notice's octets, canonical, and whether there are octets over 127 in it. */
export async function composeNotice(notice: Notice): Promise<{ bytes: Uint8Array; eightBit: boolean }> {
  const { hostname, id, at, envelope, recipients } = notice;
  const worst = order.find((kind) => recipients.some((recipient) => recipient.kind === kind)) ?? "refused";
  const letter = { hostname, id, at, to: envelope.from, subject: manners[worst].subject };
  const report = await begin(letter, "multipart/report; report-type=delivery-status");
  report.createChild("text/plain; charset=utf-8").setContent(forPeople(notice, worst));
  report.createChild().setRaw(`Content-Type: message/delivery-status\r\n\r\n${forMachines(notice)}`);
  report.createChild().setRaw(Buffer.concat(await returned(notice)));
  const bytes = await finish(report);
  return { bytes, eightBit: bytes.some((octet) => octet > 127) };
}

interface Manner {
  readonly action: "failed" | "delayed" | "relayed";
  /** Where the reply has no enhanced code (RFC 3463). */
  readonly status: string;
  readonly subject: string;
  readonly text: string;
}

const manners: Readonly<Record<NoticeKind, Manner>> = {
  refused: {
    action: "failed",
    status: "5.0.0",
    subject: "Your message could not be delivered",
    text: "It was refused for good:",
  },
  expired: {
    action: "failed",
    status: "4.4.7",
    subject: "Your message could not be delivered",
    text: "It could not be delivered in time, and is not tried any more:",
  },
  delayed: {
    action: "delayed",
    status: "4.4.1",
    subject: "Your message is delayed",
    text: "It could not be delivered yet and is tried again; you need not send it anew:",
  },
  relayed: {
    action: "relayed",
    status: "2.0.0",
    subject: "Your message was handed on",
    text: "It was handed on to a host that sends no word of its own:",
  },
};

const order = ["refused", "expired", "delayed", "relayed"] as const;

function forPeople({ hostname, recipients, arrived, expires, envelope }: Notice, worst: NoticeKind): string {
  const groups = order.flatMap((kind) => {
    const of = recipients.filter((recipient) => recipient.kind === kind);
    if (of.length === 0) return [];
    return [manners[kind].text, ...of.map(({ address, reply }) => `  <${address}>${said(reply)}`), ""];
  });
  return [
    `This is the mail system at ${hostname}.`,
    "",
    `This is about the message that you sent on ${mailDate(arrived)}.`,
    ...(envelope.envid === undefined ? [] : [`You called it ${clean(envelope.envid)}.`]),
    "",
    ...groups,
    ...(worst === "delayed" ? [`It is given up on ${mailDate(expires)}.`, ""] : []),
  ].join("\r\n");
}

const said = (reply: string): string => (reply === "" ? "" : `\r\n    ${clean(reply)}`);

/** message/delivery-status (RFC 3464 §2): fields of the message, then of each recipient. */
function forMachines({ hostname, envelope, arrived, expires, recipients, at }: Notice): string {
  const ofMessage = [
    `Reporting-MTA: dns; ${clean(hostname)}`,
    ...(envelope.envid === undefined ? [] : [`Original-Envelope-Id: ${unitext(envelope.envid)}`]),
    `Arrival-Date: ${mailDate(arrived)}`,
  ];
  const ofRecipients = recipients.map(({ address, orcpt, kind, reply }) => [
    ...(orcpt === undefined ? [] : [`Original-Recipient: ${unitext(orcpt)}`]),
    `Final-Recipient: ${isAscii(address) ? "rfc822" : "utf-8"}; ${unitext(address)}`,
    `Action: ${manners[kind].action}`,
    `Status: ${statusOf(kind, reply)}`,
    ...(reply === "" ? [] : [`Diagnostic-Code: smtp; ${clean(reply)}`]),
    // What expires was last tried long before, or never: nobody called for it.
    ...(kind === "expired" ? [] : [`Last-Attempt-Date: ${mailDate(at)}`]),
    ...(kind === "delayed" ? [`Will-Retry-Until: ${mailDate(expires)}`] : []),
  ]);
  return [ofMessage, ...ofRecipients].map((fields) => `${fields.map(folded).join("\r\n")}\r\n`).join("\r\n");
}

/** The reply's own code, where it is of the right class; what expired did so whatever the last reply was. */
function statusOf(kind: NoticeKind, reply: string): string {
  const [, code] = /^\d{3} (\d\.\d{1,3}\.\d{1,3})(?: |$)/.exec(reply) ?? [];
  const { status } = manners[kind];
  return code !== undefined && kind !== "expired" && code[0] === status[0] ? code : status;
}

/** ASCII for any address (RFC 6533 §3, utf-8-addr-xtext). */
function unitext(text: string): string {
  const ascii = text.replace(/[^\x00-\x7f]/gu, (letter) => {
    const hex = (letter.codePointAt(0) ?? 0).toString(16).toUpperCase();
    return `\\x{${hex.padStart(2, "0")}}`;
  });
  return clean(ascii);
}

const LINE = 76;

/** A field in lines, broken where there is a blank. */
function folded(field: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of field.split(/(?= )/)) {
    if (line.trim() !== "" && line.length + word.length > LINE) {
      lines.push(line);
      line = word;
    } else line += word;
  }
  return [...lines, line].join("\r\n");
}

/** The third part: the whole message where the sender asked for it, something failed and it is not too large; else its header. */
async function returned(notice: Notice): Promise<readonly Uint8Array[]> {
  const failed = notice.recipients.some(({ kind }) => manners[kind].action === "failed");
  const full = failed && notice.envelope.ret === "FULL" && notice.size <= FULL_AT_MOST;
  const pieces = full ? await all(notice) : [await header(notice)];
  const eightBit = pieces.some((piece) => piece.some((octet) => octet > 127));
  const head = `Content-Type: ${full ? "message/rfc822" : "text/rfc822-headers"}\r\n${
    eightBit ? "Content-Transfer-Encoding: 8bit\r\n" : ""
  }\r\n`;
  return [new TextEncoder().encode(head), ...pieces];
}

async function all({ content }: Notice): Promise<readonly Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of content()) pieces.push(piece);
  return pieces;
}

/** The header with its last line end; of an endless one, the lines that fit. */
async function header({ content }: Notice): Promise<Uint8Array> {
  let text = "";
  for await (const piece of content()) {
    // One character an octet: what is not ASCII goes back as it came.
    for (const octet of piece.subarray(0, HEADER_AT_MOST)) text += String.fromCharCode(octet);
    const end = text.startsWith("\r\n") ? 0 : text.indexOf("\r\n\r\n");
    if (end >= 0) return latin1(text.slice(0, end === 0 ? 0 : end + 2));
    if (text.length >= HEADER_AT_MOST) break;
  }
  const cut = text.slice(0, HEADER_AT_MOST);
  return latin1(cut.slice(0, cut.lastIndexOf("\r\n") + 2));
}

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));
