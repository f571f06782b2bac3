/** The door: one field for the token. */

/** @jsxImportSource hono/jsx */
import { Document, type Theme } from "./layout.tsx";
import { Icon } from "./parts.tsx";

export interface SignInProps {
  readonly theme: Theme;
  /** Where to go afterwards. */
  readonly next: string;
  readonly why?: string | undefined;
}

export function SignIn({ theme, next, why }: SignInProps) {
  return (
    <Document title="Sign in" theme={theme}>
      <main id="main" class="door" tabindex={-1}>
        <div class="door-card">
          <p class="brand">
            <Icon name="postmark" />
            <span>odmr</span>
          </p>
          <h1>Sign in</h1>
          <p class="soft">The mail that waits here, and the turns that take it home.</p>
          {why && (
            <p class="flash flash-bad" role="alert">
              {why}
            </p>
          )}
          <form method="post" action="/sign-in">
            <input type="hidden" name="next" value={next} />
            <label for="secret">Token</label>
            <input
              id="secret"
              name="secret"
              type="password"
              autocomplete="current-password"
              required
              autofocus
            />
            <p class="hint">It is in the file that the configuration names under admin: token.</p>
            <button class="primary" type="submit">
              Sign in
            </button>
          </form>
        </div>
      </main>
    </Document>
  );
}
