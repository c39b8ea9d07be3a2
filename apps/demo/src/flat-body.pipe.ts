import { ValidationPipe, type ArgumentMetadata } from '@nestjs/common';

/**
 * The usual ValidationPipe for bodies without nesting, as all of the demo's are. class-transformer recurses into what
 * it is given, so a body that is nested a few thousand levels deep would overflow the stack.
 */
export class FlatBodyPipe extends ValidationPipe {
  constructor() {
    super({ whitelist: true, transform: true });
  }

  override transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    return super.transform(metadata.type === 'body' ? flat(value) : value, metadata) as Promise<unknown>;
  }
}

/** The fields of a body; those that hold an object or a list become `null`, which no field of the demo accepts. */
function flat(body: unknown): object {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return {};
  return Object.fromEntries(
    Object.entries(body).map(([name, value]: [string, unknown]) => [name, typeof value === 'object' ? null : value]),
  );
}
