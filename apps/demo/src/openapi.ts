import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { addMfaToOpenApi } from 'nestjs-mfa/openapi';
import { SESSION_COOKIE } from './accounts/session-token.js';

/** The OpenAPI document at `/docs-json`; the page around it is `DocsController`'s. */
export function serveOpenApi(app: INestApplication): void {
  let document: OpenAPIObject | undefined;
  SwaggerModule.setup('docs', app, () => (document ??= createDocument(app)), { ui: false, raw: ['json'] });
}

function createDocument(app: INestApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setTitle('nestjs-mfa demo')
    .setDescription('E-mail and password accounts with a second factor. Register, then try the MFA routes.')
    .setVersion('1.0')
    .addBearerAuth()
    .addCookieAuth(SESSION_COOKIE)
    .build();
  const document = SwaggerModule.createDocument(app, config);
  addMfaToOpenApi(document);
  return document;
}
