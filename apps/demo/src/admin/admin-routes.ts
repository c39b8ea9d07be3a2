import { applyDecorators, Controller, UseFilters, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiTags } from '@nestjs/swagger';
import { MfaExceptionFilter, RequireMfa } from 'nestjs-mfa';
import { JsonOnlyGuard } from '../accounts/json-only.guard.js';
import { SessionGuard } from '../accounts/session.guard.js';
import { AdminGuard } from './admin.guard.js';

/** A controller for administrators whose second factor is at most five minutes old. */
export const AdminRoutes = (path: string) =>
  applyDecorators(
    ApiTags('admin'),
    ApiBearerAuth(),
    ApiCookieAuth(),
    Controller(path),
    UseFilters(MfaExceptionFilter),
    UseGuards(JsonOnlyGuard, SessionGuard, AdminGuard),
    RequireMfa({ maxAgeSeconds: 300 }),
  );
