/** Mail addresses as SMTP has them (RFC 5321 §4.1.2, RFC 6531): parsed at the border, trusted inside. */

/** `local@domain`, the domain in lower case; "" is the null sender, "postmaster" may stand alone. */
export type Address = string;
