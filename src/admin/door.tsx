/** The dashboard's door: signing in and out, and who it is that asks for a page. */
// The token itself is in no cookie; a form is believed only with the token of its own session.
/** @jsxImportSource hono/jsx */
import type { Context, MiddlewareHandler } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import type { CookieOptions } from "hono/utils/cookie";
import type { DashboardOptions, Pages } from "./dashboard.tsx";
import { Desk, type Query, Refused } from "./desk.ts";
import type { Token } from "./gate.ts";
import { type Flash, THEMES, type Theme, type View } from "./pages/layout.tsx";
import { SignIn } from "./pages/signin.tsx";
import { localPath } from "./paths.ts";
import { LASTS, type Session, Sessions } from "./session.ts";

/** What a page is told of who asks for it. */
export interface Visitor {
  readonly Variables: {
    readonly session: Session;
    readonly desk: Desk;
    readonly view: View;
    /** What a POST says. */
    readonly form: Query;
    /** Has the next page say this. */
    readonly say: (flash: Flash) => Promise<void>;
  };
}

/** `odmr` alone is taken: a cookie of that name is a token to the interface. */
const SESSION = "odmr-session";
const FLASH = "odmr-flash";
const THEME = "odmr-theme";
const YEAR = 365 * 24 * 60 * 60;

export class Door {
  readonly #options: DashboardOptions;
  readonly #sessions: Sessions;

  constructor(options: DashboardOptions) {
    this.#options = options;
    this.#sessions = new Sessions(options);
  }

  /** Lets in who is signed in, and believes a form that is of their session. */
  readonly visit: MiddlewareHandler<Visitor> = async (context, next) => {
    const { req } = context;
    const signedIn = await this.#signedIn(context);
    if (signedIn === undefined) return context.redirect(toSignIn(context), 303);
    const { session, token } = signedIn;
    context.set("session", session);
    context.set("desk", this.#deskOf(token, new URL(req.url).origin));
    context.set("view", await this.#viewOf(context, session, token));
    context.set("say", async (flash) => {
      const sealed = await this.#sessions.seal(FLASH, JSON.stringify(flash));
      setCookie(context, FLASH, sealed, { ...cookieOf(context), maxAge: 60 });
    });
    if (req.method === "POST") {
      const form = Object.fromEntries(new URLSearchParams(await req.text()));
      if (!(await this.#sessions.isFormToken(session, form.token ?? "")))
        throw new Refused(
          403,
          "This form is not of your session. Go back, load the page anew, and try again.",
        );
      context.set("form", form);
    }
    await next();
  };

  routes(pages: Pages): void {
    pages.get("/sign-in", (context) => signInPage(context, localPath(context.req.query("next"))));
    pages.post("/sign-in", (context) => this.#signIn(context));
    pages.post("/sign-out", this.visit, (context) => {
      this.#sessions.end(context.var.session);
      deleteCookie(context, SESSION, cookieOf(context));
      return context.redirect("/sign-in", 303);
    });
    pages.post("/theme", this.visit, (context) => {
      const { theme = "", back } = context.var.form;
      if (THEMES.some((each) => each === theme))
        setCookie(context, THEME, theme, { ...cookieOf(context), maxAge: YEAR });
      return context.redirect(localPath(back), 303);
    });
  }

  async #signIn(context: Context<Visitor>): Promise<Response> {
    const form = new URLSearchParams(await context.req.text());
    const next = localPath(form.get("next") ?? "/");
    const admitted = await this.#options.gate.admit((form.get("secret") ?? "").trim(), context.env);
    if (admitted === "wrong") return signInPage(context, next, "This token is not known.", 401);
    if ("wait" in admitted) {
      context.header("Retry-After", String(Math.ceil(admitted.wait / 1000)));
      return signInPage(context, next, "Too many wrong tokens from your address. Wait a minute.", 429);
    }
    const cookie = await this.#sessions.begin(admitted);
    setCookie(context, SESSION, cookie, { ...cookieOf(context), maxAge: LASTS / 1000 });
    return context.redirect(next, 303);
  }

  async #signedIn(
    context: Context,
  ): Promise<{ readonly session: Session; readonly token: Token } | undefined> {
    const session = await this.#sessions.read(getCookie(context, SESSION));
    const token = session && this.#options.tokens.find(({ name }) => name === session.name);
    if (session === undefined || token === undefined) return undefined;
    return (await this.#sessions.isOf(session, token)) ? { session, token } : undefined;
  }

  #deskOf({ token }: Token, origin: string): Desk {
    const { api } = this.#options;
    return new Desk((request) => {
      request.headers.set("authorization", `Bearer ${token}`);
      return api(request);
    }, origin);
  }

  async #viewOf(context: Context, session: Session, { name, scope }: Token): Promise<View> {
    const { pathname, search } = new URL(context.req.url);
    return {
      now: this.#options.clock.now(),
      full: scope === "full",
      name,
      formToken: await this.#sessions.formToken(session),
      theme: themeOf(context),
      flash: await this.#flashOf(context),
      here: pathname + search,
    };
  }

  /** What the page before had to say, once. */
  async #flashOf(context: Context): Promise<Flash | undefined> {
    const cookie = getCookie(context, FLASH);
    if (cookie === undefined || context.req.method !== "GET") return undefined;
    deleteCookie(context, FLASH, cookieOf(context));
    const text = await this.#sessions.unseal(FLASH, cookie);
    return text === undefined ? undefined : (JSON.parse(text) as Flash);
  }
}

function signInPage(context: Context, next: string, why?: string, status: 200 | 401 | 429 = 200) {
  return context.html(`<!doctype html>${<SignIn theme={themeOf(context)} next={next} why={why} />}`, status);
}

function toSignIn({ req }: Context): string {
  const { pathname, search } = new URL(req.url);
  return req.method === "GET" && pathname !== "/"
    ? `/sign-in?${new URLSearchParams({ next: pathname + search })}`
    : "/sign-in";
}

function themeOf(context: Context): Theme {
  const cookie = getCookie(context, THEME);
  return THEMES.find((theme) => theme === cookie) ?? "auto";
}

/** A proxy that speaks TLS for us says so; who lies about it makes but a cookie that they do not send. */
function cookieOf({ req }: Context): CookieOptions {
  const secure = req.url.startsWith("https:") || req.header("x-forwarded-proto") === "https";
  return { path: "/", httpOnly: true, sameSite: "Strict", secure };
}
