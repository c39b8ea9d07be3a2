/** What a passkey check costs without statements: `node passkey-checks.mjs`, the second half of `npm run passkeys`. */
import { availableParallelism } from 'node:os';
import { installLibrary } from './library.mjs';
import { measurePasskeyChecks } from './micro/passkey-checks.mjs';
import { here } from './options.mjs';
import { writeJson } from './output/json-file.mjs';

installLibrary();
const checks = await measurePasskeyChecks({ rounds: 20, key: 'Y3q0h8Jx5nVb2LwZ7tRk4uDs9fGm1cXe6aPoQiNyB0U=' });
const name = `${availableParallelism()} shared cores, Node ${process.versions.node.split('.')[0]}`;
const results = { date: new Date().toISOString().slice(0, 10), machine: { name }, checks };
writeJson(here('results/passkey-checks.json'), results);
console.log(JSON.stringify(results, null, 2));
