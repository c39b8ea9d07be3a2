/** Three nodes of MariaDB Galera on this machine, each with a data directory of its own, on ports of loopback. */
import { execFile, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';

const run = promisify(execFile);
const NODES = [1, 2, 3];
const PROVIDER = '/usr/lib/galera/libgalera_smm.so';
const STARTING_MS = 60_000;
const asRoot = process.getuid?.() === 0;

export const portOf = (node) => 14300 + node;

function settings(folder, node) {
  const home = join(folder, `node${node}`);
  const group = NODES.map((each) => `127.0.0.1:${14400 + each}`).join();
  const provider = [
    `base_port=${14400 + node}`,
    `gmcast.listen_addr=tcp://127.0.0.1:${14400 + node}`,
    `ist.recv_addr=127.0.0.1:${14600 + node}`,
    'gcache.size=16M',
  ];
  return `[mysqld]
${asRoot ? 'user=mysql' : ''}
datadir=${join(home, 'data')}
socket=${join(home, 'socket')}
pid-file=${join(home, 'pid')}
port=${portOf(node)}
bind-address=127.0.0.1
innodb_buffer_pool_size=32M
innodb_log_file_size=16M
innodb_flush_log_at_trx_commit=2
innodb_autoinc_lock_mode=2
performance_schema=off
binlog_format=ROW
wsrep_on=ON
wsrep_provider=${PROVIDER}
wsrep_cluster_name=nestjs-mfa
wsrep_node_name=node${node}
wsrep_node_address=127.0.0.1
wsrep_cluster_address=gcomm://${group}
wsrep_sst_method=rsync
wsrep_sst_receive_address=127.0.0.1:${14500 + node}
wsrep_provider_options=${provider.join(';')}
`;
}

/** Starts the nodes one after another; `stop` ends them and removes their files. */
export async function startCluster() {
  const folder = mkdtempSync(join(tmpdir(), 'galera-'));
  const children = [];
  const stop = async () => {
    for (const child of children.toReversed()) {
      child.kill('SIGTERM');
      const ended = new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()));
      await Promise.race([ended, sleep(15_000).then(() => child.kill('SIGKILL'))]);
    }
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await makeDirectories(folder);
    for (const node of NODES) {
      const log = openSync(join(folder, `node${node}`, 'log'), 'a');
      const options = [`--defaults-file=${join(folder, `node${node}`, 'my.cnf')}`];
      if (node === 1) options.push('--wsrep-new-cluster');
      children.push(spawn('mariadbd', options, { stdio: ['ignore', log, log] }));
      await synced(node);
    }
    return { stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function makeDirectories(folder) {
  for (const node of NODES) {
    mkdirSync(join(folder, `node${node}`, 'data'), { recursive: true });
    writeFileSync(join(folder, `node${node}`, 'my.cnf'), settings(folder, node));
  }
  chmodSync(folder, 0o755);
  await own(folder);
  const first = join(folder, 'node1');
  await run('mariadb-install-db', [
    `--defaults-file=${join(first, 'my.cnf')}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  for (const node of NODES.slice(1))
    cpSync(join(first, 'data'), join(folder, `node${node}`, 'data'), { recursive: true });
  await own(folder);
}

/** The transfer of state between the nodes (rsync) does not work for root. */
async function own(folder) {
  if (asRoot) await run('chown', ['-R', 'mysql:mysql', folder]);
}

async function synced(node) {
  const deadline = Date.now() + STARTING_MS;
  for (;;) {
    try {
      const connection = await mysql.createConnection({ host: '127.0.0.1', port: portOf(node), user: 'root' });
      try {
        const [[row]] = await connection.query(`SHOW STATUS LIKE 'wsrep_local_state_comment'`);
        if (row?.Value === 'Synced') return;
      } finally {
        await connection.end();
      }
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`node ${node} did not join the cluster`);
    await sleep(250);
  }
}
