import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** The execution context, which the services of nestjs-mfa take last. */
export const Execution = createParamDecorator((_: unknown, context: ExecutionContext) => context);
