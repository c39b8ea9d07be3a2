import { Injectable, type ExecutionContext } from '@nestjs/common';
import type { MfaPrincipal } from 'nestjs-mfa';
import { TestHost } from './host-app.js';

/** A host whose session token is in the headers over HTTP and GraphQL, and in the data of every other message. */
@Injectable()
export class AnyTransportHost extends TestHost {
  override principal(context: ExecutionContext): MfaPrincipal | null {
    const session = this.auth.state.sessions.get(tokenOf(context) ?? '');
    return session ? { ...session, accountName: session.userId } : null;
  }
}

function tokenOf(context: ExecutionContext): string | undefined {
  const bearer = (request: { headers?: { authorization?: string } }) => request.headers?.authorization?.slice(7);
  switch (context.getType<string>()) {
    case 'rpc':
      return context.switchToRpc().getData<{ session?: string }>().session;
    case 'ws':
      return context.switchToWs().getData<{ session?: string }>().session;
    case 'graphql':
      return bearer(context.getArgByIndex<{ req: object }>(2).req);
    default:
      return bearer(context.switchToHttp().getRequest<object>());
  }
}
