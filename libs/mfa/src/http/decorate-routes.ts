import 'reflect-metadata';
import type { Type } from '@nestjs/common';

/** Metadata key of a route's path (`PATH_METADATA` of Nest, which the package does not export). */
const ROUTE_PATH = 'path';

/** Puts the host's decorators on every route of a controller. They apply in order, as in `applyDecorators`. */
export function decorateRoutes(controller: Type, decorators: readonly MethodDecorator[]): void {
  const prototype = controller.prototype as object;
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const method: unknown = Object.getOwnPropertyDescriptor(prototype, name)!.value;
    // The constructor has a path as well: that of the controller.
    if (name === 'constructor' || typeof method !== 'function' || !Reflect.hasMetadata(ROUTE_PATH, method)) continue;
    for (const decorate of decorators) decorateMethod(prototype, name, decorate);
  }
}

function decorateMethod(prototype: object, name: string, decorate: MethodDecorator): void {
  const before = Object.getOwnPropertyDescriptor(prototype, name)!;
  const original = before.value as object;
  const after = decorate(prototype, name, before) ?? before;
  // A decorator may wrap the method. The wrapper must keep the route and, above all, the guards.
  if (after.value !== original) copyMetadata(original, after.value as object);
  Object.defineProperty(prototype, name, after);
}

function copyMetadata(from: object, to: object): void {
  for (const key of Reflect.getOwnMetadataKeys(from) as unknown[]) {
    if (!Reflect.hasOwnMetadata(key, to)) Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}
