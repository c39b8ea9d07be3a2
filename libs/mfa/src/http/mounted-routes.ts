import 'reflect-metadata';
import type { RequestMethod } from '@nestjs/common';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { RoutePathFactory } from '@nestjs/core/router/route-path-factory.js';
import { isBuiltIn, ROUTE_METHOD, ROUTE_PATH, routesOf } from './built-in-routes.js';

/** Metadata keys of Nest, which the package does not export. */
const ROUTE_VERSION = '__version__';
const MODULE_PATH = '__module_path__';

/**
 * Where the application really mounts the built-in routes: global prefix and its excludes, RouterModule, versioning.
 * Nest's own path factory decides, so it must be asked after the application has set its prefix.
 */
export function mountedPaths(application: ApplicationConfig, modules: ModulesContainer): string[] {
  const paths = new RoutePathFactory(application);
  return [...modules.values()].flatMap(({ metatype, controllers }) =>
    [...controllers.values()].flatMap(({ metatype: controller }) => {
      if (!isBuiltIn(controller)) return [];
      const modulePath: unknown =
        Reflect.getMetadata(MODULE_PATH + modules.applicationId, metatype) ??
        Reflect.getMetadata(MODULE_PATH, metatype);
      return routesOf(controller).flatMap((route) =>
        paths.create(
          {
            ctrlPath: Reflect.getMetadata(ROUTE_PATH, controller) as string,
            methodPath: Reflect.getMetadata(ROUTE_PATH, route) as string,
            modulePath: modulePath as string | undefined,
            globalPrefix: application.getGlobalPrefix(),
            controllerVersion: Reflect.getMetadata(ROUTE_VERSION, controller) as string,
            methodVersion: Reflect.getMetadata(ROUTE_VERSION, route) as string | undefined,
            versioningOptions: application.getVersioning(),
          },
          Reflect.getMetadata(ROUTE_METHOD, route) as RequestMethod,
        ),
      );
    }),
  );
}

/** A literal segment of a path: neither a parameter nor a pattern. */
const PLAIN = /^[^:*?+(){}[\]\\]+$/;

/** The longest path that every route begins with, up to the first parameter: where a cookie reaches all of them. */
export function commonPath(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/').filter((segment) => segment !== ''));
  const end = first.findIndex(
    (segment, index) => !PLAIN.test(segment) || others.some((other) => other[index] !== segment),
  );
  const common = end === -1 ? first : first.slice(0, end);
  return `/${common.map((segment) => encodeURI(segment).replaceAll(';', '%3B')).join('/')}`;
}

/** The common path, found when it is first asked for: the host sets its prefix after the providers are made. */
export function commonPathOnce(application: ApplicationConfig, modules: ModulesContainer): () => string {
  let path: string | undefined;
  return () => (path ??= commonPath(mountedPaths(application, modules)));
}
