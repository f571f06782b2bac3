/** A page for what could not be done: what, why, and where to go on. */
// It says what the interface said and nothing of what is inside.
/** @jsxImportSource hono/jsx */
import { Page, type View } from "./layout.tsx";
import { Icon } from "./parts.tsx";

const titles: Readonly<Record<number, string>> = {
  400: "That was not understood",
  403: "That is not allowed",
  404: "There is no such thing",
  503: "Not available now",
};

export interface TroubleProps {
  readonly view: View;
  readonly status: number;
  readonly why: string;
}

export function Trouble({ view, status, why }: TroubleProps) {
  const title = titles[status] ?? "That did not work";
  return (
    <Page view={view} title={title}>
      <div class="card empty">
        <Icon name="postmark" />
        <h1 class="empty-title">{title}</h1>
        <p>{why}</p>
        <p>
          <a href="/queue">To the queue</a>
        </p>
      </div>
    </Page>
  );
}
