/** SMTP smuggling, received: bodies that hold what somebody else may take for their end, and a second message behind it. */
import type { Entrance } from "../doors.ts";
import { type Family, isKept, quit, type Row, tried } from "../rows.ts";

const evil = "MAIL FROM:<evil@x.test>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: evil\r\n\r\n";

/** A CR or LF in them stands alone. */
export const bare = [
  ..."\n.\n|\n.\r\n|\r\n.\n|\r.\r|\r.\n|\n.\r|\r.\r\n|\r\n.\r|\r\n.\r\r\n|\r\r\n.\r\r\n".split("|"),
] as const;
/** Lines like others. */
export const whole = ["\r\n\0.\r\n", "\r\n.\0\r\n"] as const;
export const patterns: readonly string[] = [...bare, ...whole];

/** Only at home is there a mail server to be trusted. */
const normalises = ({ service }: Entrance): boolean => service === "home";
const canonical = (text: string): string => text.replace(/\r\n|\r|\n/g, "\r\n");
const unstuffed = (text: string): string => text.replaceAll("\r\n.", "\r\n");

const row = (pattern: string, by: "DATA" | "BDAT"): Row => ({
  name: `${JSON.stringify(pattern)} in ${by}`,
  async holds(doors, entrance) {
    const body = `Subject: hello${pattern}${evil}`;
    const sent = by === "DATA" ? `${body}.\r\n` : body;
    const announced = by === "DATA" ? ["C: DATA", "P: 354 *"] : [`C: BDAT ${body.length} LAST`];
    const isOne = normalises(entrance) || !bare.some((each) => each === pattern);
    const answer = isOne ? ["P: 250 2.0.0 *", ...quit] : ["P: 554 5.5.2 *", "end"];
    await tried(doors, entrance, "addressed", [...announced, `C: ${sent}\\`, ...answer]);
    const text = canonical(by === "DATA" ? unstuffed(body) : body);
    await isKept(doors, entrance, ...(isOne ? [text] : []));
  },
});

export const smuggling: Family = {
  name: "SMTP smuggling, receiving",
  rows: patterns.flatMap((pattern) => [row(pattern, "DATA"), row(pattern, "BDAT")]),
};
