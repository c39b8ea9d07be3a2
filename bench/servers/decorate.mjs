/** What TypeScript's decorators do, for classes in plain JavaScript. */
import 'reflect-metadata';

/** `decorate(Service, [Injectable()], [Dependency])`: decorators of a class, and the types that its constructor injects. */
export function decorate(target, decorators, injected = []) {
  Reflect.defineMetadata('design:paramtypes', injected, target);
  for (const decorator of decorators) decorator(target);
}

/** Decorators of a method, and of its parameters by position. */
export function decorateMethod({ prototype }, name, decorators, parameters = []) {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
  for (const decorator of decorators) decorator(prototype, name, descriptor);
  parameters.forEach((decorator, index) => decorator(prototype, name, index));
}
