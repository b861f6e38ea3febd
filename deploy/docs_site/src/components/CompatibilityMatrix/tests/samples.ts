// What the tests are made of: the documents whose bytes the pipeline's own tests hold, and larger ones like them.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';

import {openDocuments} from '../model';
import type {Matrix} from '../model';

const PIPELINE = join(import.meta.dirname, '../../../../../..');

export function fromPipeline(path: string): string {
  return readFileSync(join(PIPELINE, path), 'utf8');
}

const GOLDEN = 'compat_pipeline_tests/domain/golden';

/** Tool use and Vision on Anthropic and Azure: a fail, one not applicable, a pass and one not tested. */
export const MATRIX_TEXT = fromPipeline(`${GOLDEN}/compatibility-matrix.json`);
export const DETAILS_TEXT = fromPipeline(`${GOLDEN}/compatibility-details.json`);
export const MARKDOWN = fromPipeline(`${GOLDEN}/matrix.md`);

export const matrixJson = () => JSON.parse(MATRIX_TEXT);
export const detailsJson = () => JSON.parse(DETAILS_TEXT);

/** When both were made. */
export const NOON = Date.parse('2026-01-31T12:00:00Z');

export function opened(matrix: unknown, details?: unknown): Matrix {
  const found = openDocuments(matrix, details);
  if ('problem' in found) throw new Error(found.problem);
  return found.matrix;
}

/** Both documents of so many features, providers and models; every seventh cell fails with `error`. */
export function large(features: number, providers: number, models = 3, error = 'the tool input arrived empty') {
  const head = {generated_at: '2026-01-31T12:00:00Z', litellm_version: 'v1.83.0', claude_code_version: '2.1.120'};
  const ids = (what: string, count: number) => Array.from({length: count}, (_, index) => `${what}_${index}`);
  const fails = (row: number, column: number) => (row + column) % 7 === 0;
  const columns = ids('provider', providers);
  const rows = ids('feature', features);
  const matrix = {
    schema_version: '1',
    ...head,
    providers: columns,
    features: rows.map((id, row) => ({
      id,
      name: `Feature number ${row}`,
      providers: Object.fromEntries(
        columns.map((provider, column) => [provider, fails(row, column) ? {status: 'fail', error} : {status: 'pass'}]),
      ),
    })),
  };
  const details = {
    schema_version: 'details/2',
    ...head,
    upstream: 'emulated',
    cells: rows.flatMap((feature, row) =>
      columns.flatMap((provider, column) =>
        ['claude-haiku-4-5', 'claude-sonnet-4-6', 'claude-opus-4-7'].slice(0, models).map((model) => ({
          feature,
          provider,
          model,
          ...(fails(row, column) ? {status: 'fail', cause: 'gateway', error} : {status: 'pass'}),
          findings: [],
          evidence: 'a'.repeat(64),
          last_proven_red: '2026-01-30T12:00:00.123456Z',
          attempts: 1,
          flaky: false,
          observed_at: '2026-01-31T11:59:00.123456Z',
          duration_s: 1.5,
          input_tokens: 120,
          output_tokens: 8,
        })),
      ),
    ),
  };
  return {matrix, details};
}
