import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTarget, type Target, TargetError } from "../../src/config/target.ts";

const targets: Readonly<Record<string, Target>> = {
  "smtp://127.0.0.1:2525": { type: "smtp", at: { host: "127.0.0.1", port: 2525 } },
  "smtp://mail.example.org": { type: "smtp", at: { host: "mail.example.org", port: 25 } },
  "lmtp://[::1]:24": { type: "lmtp", at: { host: "::1", port: 24 } },
  "lmtp:/run/dovecot/lmtp": { type: "lmtp", at: { path: "/run/dovecot/lmtp" } },
  "maildir:/var/mail/{domain}/{local}": { type: "maildir", path: "/var/mail/{domain}/{local}" },
  "mbox:/var/mail/{recipient}": { type: "mbox", path: "/var/mail/{recipient}" },
  'command:["deliver","-d","{recipient}"]': { type: "command", argv: ["deliver", "-d", "{recipient}"] },
  "discard:": { type: "discard" },
};

for (const [text, target] of Object.entries(targets))
  test(`${text} is a target`, () => assert.deepEqual(parseTarget(text), target));

const wrong: Readonly<Record<string, RegExp>> = {
  "": /is no target; write lmtp:\/\//,
  "/var/mail": /is no target/,
  "toString:": /is no target/,
  "smtp:host": /names no host and port; write smtp:\/\/127\.0\.0\.1:25/,
  "smtp://host:99999": /names no host and port/,
  "smtp://user@host": /names no host and port/,
  "lmtp:socket": /names no host and port/,
  "maildir:": /a path is missing/,
  "maildir:/{user}": /\{user\} is no placeholder; there are/,
  "command:prog": /is no list of strings; write command:\["prog"/,
  "command:[1]": /is no list of strings/,
  "command:[]": /the program is missing/,
  'command:["{local}"]': /the program's name takes no placeholders/,
  "discard:x": /is too much; write discard:/,
};

for (const [text, message] of Object.entries(wrong))
  test(`"${text}" is no target, and what to write is said`, () =>
    assert.throws(
      () => parseTarget(text),
      (error) => error instanceof TargetError && message.test(error.message),
    ));
