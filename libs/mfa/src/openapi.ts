import { operation, SECURITY_SCHEMES } from './http/openapi/operation.js';
import { OPENAPI_MARK, ROUTES, type DocumentedRoute } from './http/openapi/routes.js';
import { schemasOf } from './http/openapi/schemas.js';

/** The parts of an OpenAPI 3 document that are written here. */
export interface OpenApiDocument {
  openapi?: string;
  paths: Record<string, unknown>;
  components?: { schemas?: Record<string, unknown>; securitySchemes?: Record<string, unknown> };
  [key: string]: unknown;
}

export interface MfaOpenApiOptions {
  /**
   * Where the routes are mounted, global prefix included; begins with a slash.
   * @default where `SwaggerModule.createDocument` has found them, else `/mfa`
   */
  path?: string;
  /** Names of the security schemes of a signed-in user. @default every security scheme of the document */
  security?: readonly string[];
}

type Operations = Record<string, Record<string, unknown> | undefined>;

/**
 * Describes the module's routes in an OpenAPI document, as `SwaggerModule.createDocument` makes it, at the paths where
 * the application mounts them. Needs no `@nestjs/swagger` itself.
 * @returns the same document
 */
export function addMfaToOpenApi<T extends object>(document: T, options: MfaOpenApiOptions = {}): T {
  const target = document as unknown as OpenApiDocument;
  const { schemas, securitySchemes } = target.components ?? {};
  const hostSchemes = options.security ?? Object.keys(securitySchemes ?? {}).filter((name) => !SECURITY_SCHEMES[name]);
  target.components = {
    ...target.components,
    schemas: { ...schemas, ...schemasOf(target.openapi ?? '3.0.0') },
    securitySchemes: { ...securitySchemes, ...SECURITY_SCHEMES },
  };
  for (const [path, route] of placesOf(target, options.path)) {
    const operations = (target.paths[path] ?? {}) as Operations;
    const found = operations[route.method] ?? {};
    target.paths[path] = { ...operations, [route.method]: { ...found, ...operation(route, path, hostSchemes) } };
  }
  return document;
}

/** Every route with its whole path. */
function placesOf(document: OpenApiDocument, given: string | undefined): [string, DocumentedRoute][] {
  const marked = given === undefined ? markedRoutes(document) : [];
  if (marked.length > 0) return marked;
  const base = (given ?? '/mfa').replace(/\/$/, '');
  return ROUTES.map((route) => [`${base}/${route.path}`, route]);
}

function markedRoutes({ paths }: OpenApiDocument): [string, DocumentedRoute][] {
  return Object.entries(paths as Record<string, Operations>).flatMap(([path, operations]) =>
    Object.values(operations).flatMap((each): [string, DocumentedRoute][] => {
      const route = ROUTES.find(({ operationId }) => operationId === each?.[OPENAPI_MARK]);
      return route ? [[path, route]] : [];
    }),
  );
}
