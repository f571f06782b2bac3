/** Who may connect to a listener: peers of its networks; a unix socket is for those of its group. */
import { BlockList, isIPv6 } from "node:net";
import type { Peer } from "../src/net/connection.ts";

/** @param networks empty: everybody */
export function admission(networks: readonly string[]): (peer: Peer) => boolean {
  if (networks.length === 0) return () => true;
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return ({ address }) => address === "unix" || list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
