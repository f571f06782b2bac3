/** What the runtimes cannot do, by name: a test that needs it is skipped there, and says why. */

const onDeno = "Deno" in globalThis;

/** Deno has no exportKeyingMaterial, and so no channel binding. */
export const exportsKeyingMaterial = !onDeno;
/** On Deno a paused TLS socket goes on receiving; plain TCP holds the peer back on both. */
export const holdsBackTls = !onDeno;
/** On Deno SIGUSR1 opens the debugger, before any program hears of it. */
export const hearsUsr1 = !onDeno;
/** Deno has no setgroups: root's groups would stay, so it gives up nothing and says so. */
export const givesUpGroups = !onDeno;
/** Deno's TLS shows no certificate with a critical extension that it does not know, such as RFC 8737 wants. */
export const showsExtensions = !onDeno;
