import 'reflect-metadata';
import { applyDecorators, RequestMethod, UseGuards, type Type } from '@nestjs/common';
import { OPENAPI_MARK, ROUTES } from './openapi/routes.js';
import { OwnResponseGuard } from './route.guards.js';

const BUILT_IN = Symbol.for('nestjs-mfa:built-in-routes');

/** Metadata keys of a route (of Nest, which does not export them). */
export const ROUTE_PATH = 'path';
export const ROUTE_METHOD = 'method';
/** Metadata key of `@ApiExtension()` of @nestjs/swagger. */
const API_EXTENSION = 'swagger/apiExtension';
/** Metadata key of `@CacheTTL()` of @nestjs/cache-manager. */
const CACHE_TTL = 'cache_module:cache_ttl';

/**
 * `CacheInterceptor` calls a lifetime that is a function before it runs the handler. Where that throws, it runs the
 * handler and stores nothing, so that it has nothing to serve to the next user.
 */
// S69
function neverCached(): never {
  throw new Error('The routes of nestjs-mfa are not cached');
}

/** Marks a controller of this module, and keeps its responses out of the application's caches. */
// S69
export const BuiltInRoutes = (): ClassDecorator =>
  applyDecorators(UseGuards(OwnResponseGuard), markRoutes as ClassDecorator);

function markRoutes(controller: Type): void {
  Reflect.defineMetadata(BUILT_IN, true, controller);
  for (const route of routesOf(controller)) {
    Reflect.defineMetadata(CACHE_TTL, neverCached, route);
    Reflect.defineMetadata(API_EXTENSION, { [OPENAPI_MARK]: operationIdOf(route) }, route);
  }
}

/** The id of the documented route that a handler serves. */
function operationIdOf(route: object): string | undefined {
  const path = (Reflect.getMetadata(ROUTE_PATH, route) as string).replaceAll(/:(\w+)/g, '{$1}');
  const method = RequestMethod[Reflect.getMetadata(ROUTE_METHOD, route) as number]!.toLowerCase();
  return ROUTES.find((each) => each.path === path && each.method === method)?.operationId;
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
