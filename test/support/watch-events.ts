import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MfaEvent } from 'nestjs-mfa';

const CHANNEL = 'nestjs-mfa:event';

/** Collects the events of every application in this process until `stop`, which returns their types in order. */
export function watchEvents(): { stop(): Promise<string[]> } {
  const types: string[] = [];
  const keep = (event: unknown) => void types.push((event as MfaEvent).type);
  subscribe(CHANNEL, keep);
  return {
    async stop() {
      await nextTurn();
      unsubscribe(CHANNEL, keep);
      return types;
    },
  };
}
