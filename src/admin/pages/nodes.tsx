/** The programs at work on a shared spool; of a spool that one machine has, nothing is shown. */
// A node that ended without a word stays in view for a day: its leases end by themselves.
/** @jsxImportSource hono/jsx */
import type { NodeJson } from "../schema.ts";
import { Since, Table } from "./parts.tsx";

interface NodesProps {
  readonly nodes: readonly NodeJson[];
  readonly now: number;
}

export function Nodes({ nodes, now }: NodesProps) {
  if (nodes.length === 0) return null;
  return (
    <section class="card" aria-labelledby="nodes">
      <h2 id="nodes">Nodes</h2>
      <Table
        caption="Programs at work on this spool"
        columns={[{ name: "Node" }, { name: "Version" }, { name: "Since" }, { name: "State" }]}
      >
        {nodes.map(({ name, actor, version, started, seen, alive, self }) => (
          <tr>
            <th scope="row">
              {name}
              <span class="under">{self ? `${actor}, this one` : actor}</span>
            </th>
            <td data-label="Version">{version}</td>
            <td data-label="Since">
              <Since at={started} now={now} />
            </td>
            <td data-label="State">
              {alive ? (
                "at work"
              ) : (
                <>
                  not seen for <Since at={seen} now={now} />
                </>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
