// The matrix as Markdown: of all models the same text, to the byte, as that of the pipeline's own domain/markdown.py.

import type {Status} from './documents';
import {modelName} from './model';
import type {Matrix} from './model';

const WORDS: Readonly<Record<Status, string>> = {
  pass: '✅ pass',
  fail: '❌ fail',
  not_applicable: '➖ not applicable',
  not_tested: '❔ not tested',
};

/** Versions, the `model` that is told of alone, table, and the reason of every cell that failed or does not apply. */
export function matrixMarkdown({generatedAt, litellm, claudeCode, providers, rows}: Matrix, model = ''): string {
  const made = `${generatedAt.slice(0, 10)} ${generatedAt.slice(11, 16)} UTC`;
  const table = [
    ['Feature', ...providers.map((provider) => plain(provider.id))],
    ['---', ...providers.map(() => '---')],
    ...rows.map((row) => [plain(row.name), ...row.cells.map((cell) => WORDS[cell.status])]),
  ];
  const reasons = rows.flatMap((row) =>
    row.cells
      .filter((cell) => cell.published)
      .map((cell) => `- ${WORDS[cell.status]}: ${plain(row.name)}, ${plain(cell.provider.id)}: ${plain(cell.published)}`),
  );
  const only = model && `, with ${plain(modelName(model))} only`;
  return [
    `LiteLLM ${plain(litellm)}, Claude Code ${plain(claudeCode)}, ${made}${only}`,
    table.map((row) => `| ${row.join(' | ')} |`).join('\n'),
    ...(reasons.length > 0 ? [reasons.join('\n')] : []),
  ].join('\n\n') + '\n';
}

/** Text that Markdown shows as it is: one line, no markup, no HTML. */
function plain(text: string): string {
  return text
    .split(/\s+/).filter(Boolean).join(' ')
    .replace(/[\\`*_{}[\]()#+!|~]/g, '\\$&')
    .replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
