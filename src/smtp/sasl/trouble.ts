/** Why a client does not go on with an exchange: the server broke the mechanism's rules, or is not who it should be. */
// It never holds a secret: it ends up in logs.

export class SaslError extends Error {
  override readonly name = "SaslError";
}
