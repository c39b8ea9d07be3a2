import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { Controller, Get, Header, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { fileOf, PUBLIC_FOLDER } from './static-files.js';

/** Swagger UI comes with @nestjs/swagger; its files are served here so that both HTTP adapters do without a plugin. */
const UI_FOLDER = dirname(
  createRequire(createRequire(import.meta.url).resolve('@nestjs/swagger')).resolve('swagger-ui-dist/package.json'),
);

/** Swagger UI writes style attributes; scripts still come from files only. */
const DOCS_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The OpenAPI page; the document itself is at `/docs-json`. */
@ApiExcludeController()
@Controller('docs')
export class DocsController {
  @Get()
  @Header('Content-Security-Policy', DOCS_POLICY)
  @Header('Cache-Control', 'no-cache')
  index() {
    return fileOf(PUBLIC_FOLDER, 'docs.html');
  }

  @Get(':name')
  @Header('Cache-Control', 'no-cache')
  asset(@Param('name') name: string) {
    return fileOf(UI_FOLDER, name);
  }
}
