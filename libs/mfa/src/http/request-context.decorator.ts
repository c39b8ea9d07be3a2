import { createParamDecorator, type ExecutionContext } from '@nestjs/common';

/** The execution context itself, to be handed on to the host. */
export const RequestContext = createParamDecorator((_: unknown, context: ExecutionContext) => context);
