import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { read, root } from './markdown.js';

const PAGE = read('docs/internals.md');
const SOURCE = join(root, 'libs/mfa/src');
const named = [...PAGE.matchAll(/[a-z][\w./-]*\/[\w./-]*/g)]
  .map(([path]) => path)
  .filter((path) => !/^(libs|test)\//.test(path));

describe('docs/internals.md', () => {
  it('names files and rooms that exist', () => {
    const paths = named.filter((path) => /(\.ts|\/)$/.test(path));
    expect(paths.length).toBeGreaterThan(15);
    expect(paths.filter((path) => !existsSync(join(SOURCE, path)))).toEqual([]);
  });

  it('has every room of the library on its map', () => {
    const rooms = readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const map = PAGE.slice(PAGE.indexOf('## The rooms'));
    expect(rooms.map(({ name }) => name).filter((name) => name !== 'testing' && !map.includes(`${name}/`))).toEqual([]);
  });

  it('names tests that exist', () => {
    const tests = [...PAGE.matchAll(/test\/[\w./-]+\.ts/g)].map(([path]) => path);
    expect(tests).not.toEqual([]);
    expect(tests.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
