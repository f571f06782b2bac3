/** The frame around every page: head, navigation, what was just done, and the page itself. */
// It works without its script: the script makes it live and quick, and does nothing that a form does not.
/** @jsxImportSource hono/jsx */
import type { Child } from "hono/jsx";
import { version } from "../../version.ts";
import { FormToken, Icon, type IconName } from "./parts.tsx";

/** "auto" is what the reader's system says. */
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export interface Flash {
  readonly tone: "good" | "bad";
  readonly text: string;
}

/** Who looks at a page, and how. */
export interface View {
  readonly now: number;
  /** May change things. */
  readonly full: boolean;
  /** The name of the token that opened the session. */
  readonly name: string;
  readonly formToken: string;
  readonly theme: Theme;
  readonly flash?: Flash | undefined;
  /** Where this page is, to come back to. */
  readonly here: string;
}

export interface PageProps {
  readonly view: View;
  readonly title: string;
  /** Which place of the navigation this is. */
  readonly place?: IconName;
  readonly children: Child;
}

const places: readonly { readonly name: IconName; readonly href: string; readonly text: string }[] = [
  { name: "overview", href: "/", text: "Overview" },
  { name: "queue", href: "/queue", text: "Queue" },
  { name: "customers", href: "/customers", text: "Customers" },
  { name: "turns", href: "/turns", text: "Turns" },
  { name: "rules", href: "/rules", text: "Hold rules" },
];

export function Page({ view, title, place, children }: PageProps) {
  return (
    <Document title={title} theme={view.theme}>
      <div class="frame">
        <header class="side">
          <a class="brand" href="/">
            <Icon name="postmark" />
            <span>odmr</span>
          </a>
          <nav class="places" aria-label="Main">
            {places.map(({ name, href, text }) => (
              <a href={href} aria-current={name === place ? "page" : undefined}>
                <Icon name={name} />
                <span>{text}</span>
              </a>
            ))}
          </nav>
          <div class="side-end">
            <ThemeChoice view={view} />
            <p class="who">
              {view.name}
              {!view.full && <span class="stamp stamp-removed">read only</span>}
            </p>
            <form method="post" action="/sign-out">
              <FormToken token={view.formToken} />
              <button class="plain" type="submit">
                <Icon name="leave" /> Sign out
              </button>
            </form>
          </div>
        </header>
        <main id="main" tabindex={-1}>
          {view.flash && (
            <p class={`flash flash-${view.flash.tone}`} role={view.flash.tone === "bad" ? "alert" : "status"}>
              {view.flash.text}
            </p>
          )}
          {children}
        </main>
      </div>
      <p id="news" class="quiet" role="status" aria-live="polite" />
    </Document>
  );
}

function ThemeChoice({ view }: { readonly view: View }) {
  return (
    <form class="themes" method="post" action="/theme">
      <FormToken token={view.formToken} />
      <input type="hidden" name="back" value={view.here} />
      <fieldset>
        <legend class="quiet">Colours</legend>
        {THEMES.map((theme) => (
          <button
            type="submit"
            name="theme"
            value={theme}
            aria-pressed={theme === view.theme ? "true" : "false"}
          >
            {theme}
          </button>
        ))}
      </fieldset>
    </form>
  );
}

export interface DocumentProps {
  readonly title: string;
  readonly theme: Theme;
  readonly children: Child;
}

/** A whole page, from its first tag. */
export function Document({ title, theme, children }: DocumentProps) {
  return (
    <html lang="en" data-theme={theme}>
      <head>
        <meta charset="utf-8" />
        <title>{`${title} · odmr`}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <link rel="icon" href={`/assets/icon.svg?v=${version}`} type="image/svg+xml" />
        <link rel="stylesheet" href={`/assets/dashboard.css?v=${version}`} />
        <script src={`/assets/dashboard.js?v=${version}`} defer />
      </head>
      <body>
        <a class="skip" href="#main">
          Skip to the page
        </a>
        {children}
      </body>
    </html>
  );
}
