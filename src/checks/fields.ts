/** Fields that a program beside us wants on top of a message. */
// It may have made them from the message: whatever could end a field, or begin the body, is taken out.

/** One field is so long at most. */
const FIELD = 16 * 1024;

/** Fields that a message has once (RFC 5322 §3.6, RFC 2045), or that tell of its way: a second one would not be read as the program means it. */
const ONCE =
  /^(from|sender|reply-to|to|cc|bcc|message-id|in-reply-to|references|subject|date|mime-version|content-.*|received|return-path)$/i;

/** The field, folded as it came, CRLF-ended; "" where it cannot be one. */
export function addedField(name: string, value: string): string {
  if (!/^[!-9;-~]{1,128}$/.test(name) || ONCE.test(name)) return "";
  const lines = value
    .slice(0, FIELD)
    .split(/\r\n|\r|\n/)
    .map((line) =>
      line
        .trim()
        .replaceAll("\t", " ")
        .replace(/[^\x20-\x7e]+/g, "?"),
    )
    .filter((line) => line !== "");
  return lines.length === 0 ? "" : `${name}: ${lines.join("\r\n\t")}\r\n`;
}
