/** Where the folders of tests lie that do not try a disk: in memory, if the test run made a place there (.ci/up.mjs). */
// The spool's own tests, and the platform's, stay on the disk of TMPDIR: what they promise is about disks.
import { tmpdir } from "node:os";

export const quickFolder = (): string => process.env.ODMR_QUICK_FOLDER ?? tmpdir();
