import type { DataSource } from 'typeorm';
import type { MfaPurgePace } from '../domain/purge-pace.js';
import { dialectOf } from './statements/dialect.js';

const SERVER: MfaPurgePace = { largestBatch: Infinity };

/**
 * SQLite runs in this process, which stands still during a statement, and lets one process write at a time. Nearly every
 * row removed changes a page of its own; 250 of them fit into the page cache (2 MB, some 480 pages) and need no spilling.
 */
const SQLITE: MfaPurgePace = { largestBatch: 250 };

export function purgePaceOf(dataSource: DataSource): MfaPurgePace {
  return dialectOf(dataSource).family === 'sqlite' ? SQLITE : SERVER;
}
