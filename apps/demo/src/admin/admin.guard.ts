import { ForbiddenException, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { sessionOf } from '../accounts/session.guard.js';

/** Admits administrators. It runs after `SessionGuard`, and reads the role of this moment. */
@Injectable()
export class AdminGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    if (sessionOf(context).user.role !== 'admin') throw new ForbiddenException('Only for administrators');
    return true;
  }
}
