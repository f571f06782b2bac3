/**
 * The grammar of SMTP, apart from any session: commands, replies, addresses and domains, each parsed at the border and
 * written in one spelling. It imports nothing, and runs anywhere.
 *
 * @example
 * ```ts
 * import { formatReply, parseAddress, parseCommand, reply } from "odmr/wire";
 *
 * console.log(parseCommand(new TextEncoder().encode("ATRN Example.ORG,example.com")));
 * console.log(parseAddress("Bob@EXAMPLE.org"));
 * console.log(formatReply(reply(453, "4.0.0", "You have no mail")));
 * ```
 *
 * @module
 */
// What is exported here is a promise to whoever builds on it; the files behind it are not.

export {
  type Address,
  domainOf,
  isAscii,
  localOf,
  matchesGlob,
  type Path,
  parseAddress,
  parsePath,
} from "../wire/address.ts";
export {
  type Command,
  formatCommand,
  LINE_LIMIT,
  type MailParameters,
  type Problem,
  parseCommand,
  type RcptParameters,
  type Verb,
} from "../wire/command.ts";
export { isDomain, parseDomainList } from "../wire/domain.ts";
export {
  formatReply,
  isPermanent,
  isPositive,
  isTransient,
  type Reply,
  ReplyReader,
  ReplySyntaxError,
  reply,
  replyLine,
} from "../wire/reply.ts";
