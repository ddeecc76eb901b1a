import ipaddr from "ipaddr.js";

/**
 * Whether an address belongs to the public internet: not to this machine, a private or link-local network, a carrier's, a
 * metadata service's, and none that a translation (IPv4 mapped, NAT64, 6to4, Teredo) leads to.
 * @param address as the resolver or a URL's host gives it, without brackets
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // An IPv4 address inside an IPv6 one counts as what it stands for.
  return ipaddr.process(address).range() === "unicast";
}
