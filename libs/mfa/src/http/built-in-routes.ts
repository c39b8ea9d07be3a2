import 'reflect-metadata';
import { applyDecorators, UseGuards, type Type } from '@nestjs/common';
import { OwnResponseGuard } from './own-response.guard.js';

const BUILT_IN = Symbol.for('nestjs-mfa:built-in-routes');

/** Metadata key of a route's method (`METHOD_METADATA` of Nest, which the package does not export). */
export const ROUTE_METHOD = 'method';
/** Metadata key of `@CacheTTL()` of @nestjs/cache-manager. */
const CACHE_TTL = 'cache_module:cache_ttl';

/**
 * `CacheInterceptor` calls a lifetime that is a function before it runs the handler. Where that throws, it runs the
 * handler and stores nothing, so that it has nothing to serve to the next user (S69).
 */
function neverCached(): never {
  throw new Error('The routes of nestjs-mfa are not cached');
}

/** Marks a controller of this module, and keeps its responses out of the application's caches (S69). */
export const BuiltInRoutes = (): ClassDecorator =>
  applyDecorators(UseGuards(OwnResponseGuard), markRoutes as ClassDecorator);

function markRoutes(controller: Type): void {
  Reflect.defineMetadata(BUILT_IN, true, controller);
  for (const route of routesOf(controller)) Reflect.defineMetadata(CACHE_TTL, neverCached, route);
}

export function isBuiltIn(controller: unknown): controller is Type {
  return typeof controller === 'function' && Reflect.hasOwnMetadata(BUILT_IN, controller);
}

/** The handlers of a controller. */
export function routesOf(controller: Type): object[] {
  const prototype = controller.prototype as Record<string, object>;
  const names = Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');
  return names.map((name) => prototype[name]!).filter((method) => Reflect.hasMetadata(ROUTE_METHOD, method));
}
