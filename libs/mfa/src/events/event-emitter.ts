import type { ModulesContainer } from '@nestjs/core';

/** What the module calls of `EventEmitter2`. */
export interface EventEmitter {
  emitAsync(type: string, event: object): Promise<unknown>;
}

/**
 * The `EventEmitter2` of the host, or `null` if it does not import the `EventEmitterModule` of `@nestjs/event-emitter`.
 * It is found by what it can do, so this module never imports that optional package.
 */
export function findEventEmitter(modules: ModulesContainer): EventEmitter | null {
  const emitters = [...modules.values()].filter(({ name }) => name === 'EventEmitterModule');
  const instances = emitters.flatMap(({ providers }) => [...providers.values()].map(({ instance }) => instance));
  return instances.find(isEventEmitter) ?? null;
}

function isEventEmitter(instance: unknown): instance is EventEmitter {
  return typeof (instance as Partial<EventEmitter> | null | undefined)?.emitAsync === 'function';
}
