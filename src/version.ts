/** The version of this program: package.json is the one place that says it. */
import manifest from "../package.json" with { type: "json" };

export const version: string = manifest.version;

/** The build puts it in: bun build --define. */
declare const ODMR_COMMIT: string | undefined;

/** What it was built from; undefined from source. */
export const commit: string | undefined = typeof ODMR_COMMIT === "undefined" ? undefined : ODMR_COMMIT;

/** One line for people, such as "odmr 1.2.3 (0123456789ab)". */
export const versionLine = `odmr ${version}${commit === undefined ? "" : ` (${commit.slice(0, 12)})`}`;
