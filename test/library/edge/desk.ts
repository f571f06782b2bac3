/** The admin interface over a spool in memory, asked as a person and a program would. What it answered is returned. */
import { adminApp } from "../../../src/library/admin.ts";
import { type Clock, silent, systemRandom } from "../../../src/library/platform.ts";
import { MemorySpool } from "./memoryspool.ts";

const TOKEN = "a-token-for-the-edge";
const START = Date.UTC(2026, 6, 1);
const clock: Clock = { now: () => START, steady: () => 0, after: () => ({ stop: () => {} }) };
const machine = { clock, random: systemRandom, log: silent };

/** Each request with the status and the text of its answer. */
export async function askDesk(): Promise<Readonly<Record<string, string>>> {
  const spool = new MemorySpool(clock.now);
  const app = adminApp({
    ...machine,
    spool,
    customers: () => [],
    intake: () => ({
      hostname: "edge.test",
      messageSize: 10_000,
      postings: ({ to }) => [
        {
          lane: { direction: "turn", customer: "home" },
          recipients: to.map((address) => ({ address, notify: [] })),
          expires: START + 86_400_000,
        },
      ],
    }),
    verify: async function* () {},
    tokens: [{ token: TOKEN, scope: "full", name: "edge" }],
    hosts: ["edge.test"],
  });
  const answers: Record<string, string> = {};
  const ask = async (what: string, init: RequestInit = {}) => {
    const [method = "", path = ""] = what.split(" ");
    const headers = { authorization: `Bearer ${TOKEN}`, ...(init.headers as Record<string, string>) };
    // As a platform calls it: a Request goes in, a Response comes out.
    const request = new Request(`http://edge.test${path}`, { ...init, method, headers });
    const response = await app.fetch(request);
    answers[what] = `${response.status} ${await response.text()}`;
  };
  await ask("GET /healthz");
  await ask("GET /api/v1/queue?limit=1", { headers: { authorization: "Bearer wrong" } });
  await ask("POST /api/v1/queue?from=ann@world.test&to=bob@example.org", {
    headers: { "content-type": "message/rfc822" },
    body: "Subject: To the edge\n\nText.\n",
  });
  const id = "01900000-0000-7000-8000-000000000001";
  const action = { headers: { "content-type": "application/json" }, body: '{"reason":"a test"}' };
  await ask(`POST /api/v1/queue/${id}/hold`, action);
  await ask("GET /api/v1/queue?state=held");
  await ask(`GET /api/v1/queue/${id}/message`);
  await ask("GET /metrics");
  await ask("GET /openapi.json");
  await ask("GET /assets/dashboard.css");
  await ask("GET /sign-in");
  if (keepsCookies()) answers["the dashboard"] = await dashboard((request) => app.fetch(request));
  return answers;
}

/** A browser lets no script of a page set them; servers, workers at the edge among them, do. */
function keepsCookies(): boolean {
  return new Request("http://edge.test", { headers: { cookie: "a=b" } }).headers.has("cookie");
}

/** Signs in as a browser does, and reads the queue's page. */
async function dashboard(fetch: (request: Request) => Response | Promise<Response>): Promise<string> {
  const body = new URLSearchParams({ secret: TOKEN, next: "/queue" });
  const door = await fetch(new Request("http://edge.test/sign-in", { method: "POST", body }));
  const cookie = /odmr-session=[^;]+/.exec(door.headers.get("set-cookie") ?? "")?.[0] ?? "";
  const page = await fetch(new Request("http://edge.test/queue", { headers: { cookie } }));
  return `${door.status} ${page.status} ${await page.text()}`;
}
