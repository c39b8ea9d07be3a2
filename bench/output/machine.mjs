import { availableParallelism } from 'node:os';

/** As much of the machine as the numbers need, and nothing by which it would be recognised. */
export function machineOf({ version }) {
  const cores = availableParallelism();
  const node = process.versions.node;
  const name = `${cores} shared cores, PostgreSQL ${version.split('.')[0]}, Node ${node.split('.')[0]}`;
  return { name, cores, node, postgres: version };
}
