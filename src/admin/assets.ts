/** What pages load beside themselves: one style sheet, one script, one icon. They travel inside the program. */
// Their address carries the version, so that a browser may keep them.

import style from "./assets/dashboard.css" with { type: "text" };
import script from "./assets/dashboard.js" with { type: "text" };
import icon from "./assets/icon.svg" with { type: "text" };

export interface Asset {
  readonly type: string;
  readonly text: string;
}

export const assets: Readonly<Record<string, Asset>> = {
  "dashboard.css": { type: "text/css; charset=utf-8", text: style },
  "dashboard.js": { type: "text/javascript; charset=utf-8", text: script as unknown as string },
  "icon.svg": { type: "image/svg+xml", text: icon },
};
