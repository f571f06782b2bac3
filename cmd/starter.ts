/** The starter configurations that `odmr init` writes. */
// `#? key.path` becomes what the schema says of that key, so that file and schema never tell two stories.

import { dirname, join } from "node:path";
import { describedAt } from "../src/config/describe.ts";
import { hasUnit, isFound } from "./found.ts";

export type StarterKind = keyof typeof starters;

const starters = {
  relay: `# The relay: a host with a fixed address, which takes mail in and holds it. Run it with: odmr serve
# What must be yours is marked with <--; check the file with: odmr check

#? hostname
hostname: relay.example.net   # <--

#? spool
spool: /var/lib/odmr/spool.db

#? user
# user: odmr

#? tls
# Names of files are relative to this one.
tls:
  certificate: relay.crt   # <--
  key: relay.key   # <--
  # self: true   # instead of both: odmr makes its own, for customers that come by odmr invite
  # acme: { agree: true }   # instead of both: one from Let's Encrypt, which asks at port 80
  # clientCa: ca.crt   # for customers that show a certificate
  # clientCrl: ca.crl   # which of them count no more

serve:
  #? serve.listen
  listen:
    # Customers call here, on the port of RFC 2645.
    - { service: odmr, address: "0.0.0.0:366" }
    # TLS from the first octet, for customers that cannot STARTTLS.
    # - { service: odmr, address: "0.0.0.0:3660", tls: implicit }
    # Mail from the world: the MX of the customers' domains points here.
    - { service: intake, address: "0.0.0.0:25" }
    # Instead of intake: mail from a mail server on this host.
    # - { service: lmtp, address: "unix:/run/odmr/lmtp.sock" }
    # Customers send their mail to the world here, after login (or before the turn, at the odmr door).
    # - { service: submission, address: "0.0.0.0:587" }

  #? serve.customers
  customers:
    - name: home   # <--
      #? serve.customers.domains
      domains: [example.org]   # <--
      #? serve.customers.password
      # Make it with: odmr passwd home.secret
      password: { file: home.secret }
      # scram: "SCRAM-SHA-256$…"   # instead, from: odmr passwd --scram --from home.secret
      # certificate: "sha256:…"   # or by the fingerprint of its certificate
      #? serve.customers.recipients
      recipients: any
      #? serve.customers.hold
      hold: 30d
      #? serve.customers.quota
      quota: 2GiB
      #? serve.customers.compatibility
      compatibility: auto
      #? serve.customers.senders
      senders: []
      #? serve.customers.dkim
      # dkim: { selector: odmr, key: odmr.key }   # openssl genrsa -out odmr.key 2048
      #? serve.customers.notify
      # notify: you@example.net
      #? serve.customers.etrn
      # etrn: { host: mail.example.org }

  #? serve.postmaster
  # postmaster: you@example.org

  #? serve.outbound
  # outbound: { smarthost: "smtp://user@smtp.example.net:587", passwordFile: smarthost.secret }
  # outbound: { mx: true }

  #? serve.checks
  # checks:
  #   authentication: { dmarcReject: refuse }   # SPF, DKIM, ARC and DMARC
  #   reverseName: mark
  #   blocklists: [{ zone: bl.example.net }]
  #   listed: refuse
  #   rspamd: { at: "127.0.0.1:11333" }

  #? serve.limits
  limits:
    messageSize: 50MiB
    recipients: 1000
    #? serve.limits.wait
    wait: 4m
    #? serve.limits.minimumRate
    minimumRate: 500
    connections: 1000
    #? serve.limits.perAddress
    perAddress: 20
    #? serve.limits.perCustomer
    perCustomer: 50

  auth:
    #? serve.auth.cramMd5
    cramMd5: true

#? admin
# Make its token with: odmr passwd admin.token
# admin:
#   listen: "127.0.0.1:8366"
#   token: { file: admin.token }
#   readToken: { file: read.token }   # for monitoring
#   hosts: [mail.example.net]   # the name of a proxy before it
`,
  home: `# The host at home: calls the relay, takes the mail and hands it on. Run it with: odmr pull (once), or odmr pull --daemon
# What must be yours is marked with <--; check the file with: odmr check

#? hostname
hostname: home.example.org   # <--

#? spool
spool: /var/lib/odmr/spool.db

#? user
# user: odmr

pull:
  #? pull.accounts
  accounts:
    - name: relay
      #? pull.accounts.provider
      provider: relay.example.net   # <--
      #? pull.accounts.tls
      tls: starttls
      # ca: relay-ca.crt
      #? pull.accounts.pin
      # pin: "sha256:…"

      #? pull.accounts.user
      user: home   # <--
      #? pull.accounts.password
      # The relay's operator has the same one. Names of files are relative to this file.
      password: { file: home.secret }   # <--

      #? pull.accounts.domains
      domains: [example.org]   # <--

      #? pull.accounts.deliver
      # Also: lmtp://127.0.0.1:24, lmtp:/run/dovecot/lmtp, smtp://127.0.0.1:25, mbox:/path, command:["prog","{recipient}"]
      deliver:
        # - { match: "sales@example.org", to: "lmtp://127.0.0.1:24", during: "* 8-18 * * 1-5" }
        # - { match: "*", header: { name: List-Id, matches: "*" }, to: "maildir:/var/mail/{domain}/lists" }
        # - { match: "boss@example.org", to: ["lmtp://127.0.0.1:24", "maildir:/var/mail/archive"] }   # copies
        # - { match: "info@example.org", redirect: "ann@example.org" }
        - { match: "*", to: "maildir:/var/mail/{domain}/{local}" }   # <--

      # When odmr pull --daemon calls; odmr pull alone calls once.
      #? pull.accounts.follow
      follow: true
      #? pull.accounts.every
      every: 15m
      #? pull.accounts.schedule
      # schedule: ["*/10 8-20 * * 1-5", "0 * * * *"]
      #? pull.accounts.jitter
      # jitter: 2m
      #? pull.accounts.timezone
      # timezone: Europe/Berlin
      #? pull.accounts.limit
      # limit: { messageSize: 10MiB, during: "* 8-20 * * *" }
      #? pull.accounts.after
      # after: ["/usr/local/bin/called"]
      #? pull.accounts.doubles
      # With two relays (MX 10 and 20) write two accounts with the same domains.
      # doubles: remove
      #? pull.accounts.smarthost
      # smarthost: { at: "smtp://user@smtp.example.net:587", password: { file: smarthost.secret } }

  #? pull.outgoing
  # The mail server here names this address as its smarthost; programs here use: odmr sendmail
  # outgoing: { listen: "127.0.0.1:2525", via: relay }

#? admin
# admin: { listen: "127.0.0.1:8366", token: { file: admin.token } }
`,
} as const;

/** What was written, and for whom. */
interface Written {
  readonly kind: StarterKind;
  readonly file: string;
  /** The customers of this relay are yet to come. */
  readonly invites?: boolean;
}

/** What to do after it was written. */
export function nextSteps({ kind, file, invites = false }: Written): readonly string[] {
  const secret = join(dirname(file), "home.secret");
  const found = isFound(file);
  const config = found ? "" : ` --config ${file}`;
  const unit = found && hasUnit(units[kind]) ? `systemctl enable --now ${units[kind]}` : undefined;
  if (invites) return [unit ?? `odmr serve${config}`, `odmr invite home --domain example.org${config}`];
  const password = {
    relay: `odmr passwd ${secret}`,
    home: `odmr passwd --stdin ${secret}   # what the relay's operator gave you`,
  };
  const run = { relay: "serve", home: "pull" };
  return [password[kind], `odmr check${config}`, unit ?? `odmr ${run[kind]}${config}`];
}

const units = { relay: "odmr", home: "odmr-pull" } as const;

/** The commented configuration. */
export function starter(kind: StarterKind): string {
  return starters[kind].replace(/^( *)#\? (\S+)$/gm, (_, indent: string, path: string) => {
    const said = describedAt(path.split("."))?.description ?? "";
    return `${indent}# ${said}`;
  });
}
