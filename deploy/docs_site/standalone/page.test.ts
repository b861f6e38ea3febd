// The standalone page as the pipeline makes it: by the committed render.mjs, from documents on standard input.

import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {execPath} from 'node:process';

import {describe, expect, it} from 'vitest';

import {DETAILS_TEXT, MATRIX_TEXT, large, matrixJson} from '../src/components/CompatibilityMatrix/tests/samples';
import {TARGET, build} from './build.mjs';

const LIMIT_BYTES = 200_000;

function rendered(documents: unknown): string {
  return execFileSync(execPath, [TARGET], {input: JSON.stringify(documents), encoding: 'utf8'});
}

const PAGE = rendered({matrix: JSON.parse(MATRIX_TEXT), details: JSON.parse(DETAILS_TEXT), links: {feed: 'changes.atom'}});

it('is made by what `npm run build:page` writes today', async () => {
  expect((await build()) === readFileSync(TARGET, 'utf8')).toBe(true);
});

describe('the page', () => {
  it('has the whole table in its HTML', () => {
    expect(PAGE).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(PAGE).toMatch(/<th scope="row"><span[^>]*>Tool use</);
    expect(PAGE).toContain('aria-label="Not tested: Vision on Azure"');
    expect(PAGE).toContain('31 Jan 2026, 12:00 UTC');
    expect(PAGE).toContain('href="changes.atom"');
  });

  it('allows its own script and styles, and no network', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(PAGE)?.[1];
    const digest = (inline: RegExp) =>
      `'sha256-${createHash('sha256').update(inline.exec(PAGE)?.[1] ?? '').digest('base64')}'`;
    expect(policy?.split('; ')).toEqual([
      "default-src 'none'",
      `script-src ${digest(/<script type="module">(.*?)<\/script>/s)}`,
      `style-src ${digest(/<style>(.*?)<\/style>/s)}`,
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    expect(PAGE).not.toMatch(/ style=| src=| on\w+=/);
  });

  it('holds its documents in a script that nothing in them can leave', () => {
    const matrix = matrixJson();
    matrix.features[0].providers.anthropic.error = '</script><script>alert(1)</script><!--';
    const page = rendered({matrix, details: null, links: null});
    expect(page.match(/<script/g)).toHaveLength(2);
    const held = /id="documents">(.*?)<\/script>/s.exec(page)?.[1] ?? '';
    expect(JSON.parse(held)).toEqual({matrix, details: null, links: null});
  });

  it.each([['another schema', {schema_version: '2'}], ['nothing', null]])('is a placeholder for %s', (_, matrix) => {
    const page = rendered({matrix, details: null, links: null});
    expect(page).toContain('The compatibility matrix cannot be shown.');
    expect(page).not.toContain('<table');
  });

  it('is small with all details of 18 features on 5 providers with 3 models', () => {
    const size = Buffer.byteLength(rendered({...large(18, 5), links: null}));
    expect(size).toBeLessThan(LIMIT_BYTES);
    expect(size).toBeGreaterThan(LIMIT_BYTES / 2);
  });
});
