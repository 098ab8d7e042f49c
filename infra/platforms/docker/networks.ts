/** Names of workloads that share a network, in order. */
export type Members = readonly string[];

/**
 * The fewest networks such that two workloads share one exactly if they are a pair: each network is a group in which
 * everybody may meet everybody (an edge clique cover of the graph of pairs), and nobody is in one for nothing.
 *
 * The search is exact, and takes no time for tens of workloads. The same pairs, in whatever order, give the same
 * networks.
 *
 * @param pairs two different names each, in either order.
 */
export function fewestNetworks(pairs: readonly (readonly [string, string])[]): Members[] {
  const peers = peersByName(pairs);
  const groups = largestGroups(peers);
  const edges = [...peers].flatMap(([one, others]) =>
    [...others].filter((other) => one < other).map((other): [string, string] => [one, other]),
  );
  return withoutIdlers(fewestCovering(edges, groups));
}

function peersByName(pairs: readonly (readonly [string, string])[]): Map<string, Set<string>> {
  const names = [...new Set(pairs.flat())].sort();
  const peersOf = (name: string) =>
    pairs.flatMap((pair) => (pair.includes(name) ? pair.filter((other) => other !== name) : []));
  return new Map(names.map((name) => [name, new Set(peersOf(name).sort())]));
}

/** All groups in which everybody may meet everybody, and to which nobody can be added (Bron and Kerbosch, 1973). */
function largestGroups(peers: Map<string, Set<string>>): Members[] {
  const found: Members[] = [];
  const peersOf = (name: string) => peers.get(name) ?? new Set<string>();
  const extend = (group: Members, candidates: Members, done: Members): void => {
    if (candidates.length === 0 && done.length === 0) found.push(group);
    candidates.forEach((name, index) => {
      const known = (other: string) => peersOf(name).has(other);
      extend(
        [...group, name],
        candidates.slice(index + 1).filter(known),
        [...done, ...candidates.slice(0, index)].filter(known),
      );
    });
  };
  extend([], [...peers.keys()], []);
  return found;
}

const holds = (group: Members, [one, other]: [string, string]) =>
  group.includes(one) && group.includes(other);

/** The fewest groups that hold every edge; of several such choices, the first. */
function fewestCovering(edges: [string, string][], groups: Members[]): Members[] {
  let best = groups;
  const choose = (open: [string, string][], chosen: Members[]): void => {
    if (open.length === 0) {
      if (chosen.length < best.length) best = chosen;
      return;
    }
    if (chosen.length + 1 >= best.length) return;
    // The edge that leaves the fewest ways to go on.
    const ways = open.map((edge) => groups.filter((group) => holds(group, edge)));
    const [fewest = []] = ways.sort((one, other) => one.length - other.length);
    for (const group of fewest) {
      choose(
        open.filter((edge) => !holds(group, edge)),
        [...chosen, group],
      );
    }
  };
  choose(edges, []);
  return [...best].sort(byName);
}

/** Leaves out of each group those who meet all of its others elsewhere, too: each membership is one more address. */
function withoutIdlers(groups: Members[]): Members[] {
  const left = [...groups];
  left.forEach((_, index) => {
    for (const name of left[index] ?? []) {
      const elsewhere = left.filter((_, other) => other !== index);
      const group = left[index] ?? [];
      const others = group.filter((other) => other !== name);
      if (others.every((other) => elsewhere.some((each) => holds(each, [name, other])))) left[index] = others;
    }
  });
  return left.filter(({ length }) => length > 1).sort(byName);
}

const byName = (one: Members, other: Members) => (one.join() < other.join() ? -1 : 1);
