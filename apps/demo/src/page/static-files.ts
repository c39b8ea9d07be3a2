import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NotFoundException, StreamableFile } from '@nestjs/common';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Same place seen from the sources and from the build. */
export const PUBLIC_FOLDER = fileURLToPath(new URL('../../public/', import.meta.url));

/**
 * One file of `folder`, with its content type. Only plain names are looked up, so no request leaves the folder.
 * @throws NotFoundException
 */
export async function fileOf(folder: string, name: string): Promise<StreamableFile> {
  const type = TYPES[extname(name)];
  if (type === undefined || !/^[a-z0-9-]+\.[a-z]+$/.test(name)) throw new NotFoundException();
  const content = await readFile(join(folder, name)).catch(() => {
    throw new NotFoundException();
  });
  return new StreamableFile(content, { type });
}
