/** Mail as Debian's Python reads it: another implementation's word on what we write. */
// Debian's own, by its full name: another Python in the way has not its packages.
import { run } from "./processes.ts";

const PYTHON = "/usr/bin/python3";

/** Runs a script on a JSON value; it finds it in `given` and prints JSON. @throws with what Python said */
export async function python<T>(script: string, given: unknown): Promise<T> {
  const text = `import json, sys\ngiven = json.load(sys.stdin)\n${script}`;
  const { status, stdout, stderr } = await run(PYTHON, ["-c", text], { stdin: JSON.stringify(given) });
  if (status !== 0) throw new Error(`python ended with ${status}\n${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A delivery status notification, as `email` reads it (RFC 3464). */
export interface ReadNotice {
  readonly type: string;
  readonly reportType: string | null;
  readonly to: string | null;
  /** Types of its parts. */
  readonly parts: readonly string[];
  /** The groups of fields in the machine's part: the message's, then each recipient's. */
  readonly status: readonly Readonly<Record<string, string>>[];
  /** The subject of what it is about. */
  readonly about: string | null;
  /** What `email` found wrong. */
  readonly defects: readonly string[];
}

const NOTICE = `
import base64, email, email.policy
message = email.message_from_bytes(base64.b64decode(given), policy=email.policy.default)
parts = [part for part in message.iter_parts()]
returned = parts[2]
inner = returned.get_payload(0) if returned.get_content_type() == "message/rfc822" else email.message_from_string(returned.get_content(), policy=email.policy.default)
print(json.dumps({
  "type": message.get_content_type(), "reportType": message.get_param("report-type"), "to": message["To"],
  "parts": [part.get_content_type() for part in parts],
  "status": [dict(group.items()) for group in parts[1].get_payload()],
  "about": inner["Subject"],
  "defects": [repr(defect) for part in message.walk() for defect in part.defects],
}))`;

export const readNotice = (octets: Uint8Array): Promise<ReadNotice> =>
  python(NOTICE, Buffer.from(octets).toString("base64"));

/** A message with what is in DNS at `<selector>._domainkey.<domain>`. */
export interface SignedMail {
  readonly octets: Uint8Array;
  readonly record: string;
}

const DKIM = `
import base64, dkim
def verdict(mail):
    asked = []
    def dns(name, timeout=5):
        asked.append(name.decode())
        return mail["record"].encode()
    try:
        passed = dkim.verify(base64.b64decode(mail["octets"]), dnsfunc=dns)
        return f"{'pass' if passed else 'fail'} {' '.join(asked)}".strip()
    except dkim.DKIMException as why:
        return f"error {why}"
print(json.dumps([verdict(mail) for mail in given]))`;

/** Each message's verdict by dkimpy: "pass" or "fail" with the name that it asked DNS for, or "error" with why. */
export const dkimVerdicts = (mails: readonly SignedMail[]): Promise<readonly string[]> =>
  python(
    DKIM,
    mails.map(({ octets, record }) => ({ octets: Buffer.from(octets).toString("base64"), record })),
  );
