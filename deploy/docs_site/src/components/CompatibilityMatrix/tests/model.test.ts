// Both documents joined, what filters leave of them, and what is said of a cell.

import {describe, expect, it} from 'vitest';

import {matrixMarkdown} from '../markdown';
import {
  EVERYTHING, cellOf, explanation, modelName, narrowed, openDocuments, providerName, reproduce, rowsWith, switches,
  switching,
} from '../model';
import type {Cell} from '../model';
import {MARKDOWN, detailsJson, fromPipeline, large, matrixJson, opened} from './samples';

const ALONE = opened(matrixJson());
const DETAILED = opened(matrixJson(), detailsJson());
const HAIKU = 'claude-haiku-4-5';

function cell(key: string, matrix = DETAILED): Cell {
  const found = cellOf(matrix, key);
  if (!found) throw new Error(`there is no ${key}`);
  return found;
}

describe('the two documents', () => {
  it('are joined by feature and provider, models in the order of the details', () => {
    expect(cell('tool_use|anthropic').verdicts.map(({model}) => model)).toEqual([HAIKU, 'claude-opus-4-7']);
    expect(DETAILED.models.map(({name}) => name)).toEqual(['Claude Haiku 4.5', 'Claude Opus 4.7']);
    expect(DETAILED.upstream).toBe('emulated');
  });

  it('are complete with the matrix alone', () => {
    expect(ALONE.models).toEqual([]);
    expect(ALONE.rows.flatMap(({cells}) => cells.map(({status}) => status))).toEqual([
      'fail', 'not_applicable', 'pass', 'not_tested',
    ]);
  });

  it.each(['generated_at', 'litellm_version', 'claude_code_version'])('are not joined where %s differs', (field) => {
    const other = {...detailsJson(), [field]: '2026-02-01T12:00:00Z'};
    expect(openDocuments(matrixJson(), other)).toMatchObject({note: 'they tell of another run', matrix: {models: []}});
  });

  it('leave the matrix as it is where the details cannot be read', () => {
    expect(openDocuments(matrixJson(), {})).toMatchObject({note: expect.stringMatching(/schema_version/), matrix: ALONE});
  });
});

it('names providers and models as the manifest does', () => {
  const manifest = fromPipeline('compat_pipeline/manifest.yaml');
  const providers = [...manifest.matchAll(/^ {2}- id: (\w+)\n {4}name: (.+)$/gm)];
  const models = [...manifest.matchAll(/\{id: (claude[\w-]+), name: ([^}]+)\}/g)];
  expect([providers.length, models.length]).toEqual([5, 3]);
  for (const [, id = '', name] of providers) expect(providerName(id)).toBe(name);
  for (const [, id = '', name] of models) expect(modelName(id)).toBe(name);
});

it('leaves unknown providers and models their own names', () => {
  expect([providerName('constructor_9'), modelName('gpt-5'), modelName('claude-next')]).toEqual([
    'constructor_9', 'gpt-5', 'claude-next',
  ]);
});

describe('an explanation', () => {
  it.each([
    ['tool_use|anthropic', /^Claude Haiku 4.5: “Extra inputs” – refusé: <400> & 日本; Claude Opus 4.7: /],
    ['tool_use|azure', /^Azure has no tools$/],
    ['vision|anthropic', /^Tested & passing\.$/],
    ['vision|azure', /^No test for this combination yet\.$/],
  ])('of %s is that of the matrix', (key, words) => {
    expect(explanation(cell(key, ALONE))).toMatch(words);
  });

  it('names the models that passed', () => {
    expect(explanation(cell('vision|anthropic'))).toBe('Tested & passing with Claude Haiku 4.5.');
  });

  it('tells an error once for all models that have it', () => {
    const failing = cell('feature_0|provider_0', opened(large(1, 1).matrix, large(1, 1).details));
    expect(explanation(failing)).toBe(
      'Claude Haiku 4.5, Claude Sonnet 4.6 and Claude Opus 4.7: the tool input arrived empty',
    );
  });

  it('does not say that there is no test where there was one that could not be judged', () => {
    const open = {...cell('vision|azure'), verdicts: cell('tool_use|azure').verdicts};
    expect(explanation(open)).toBe('Could not be judged yet: provider: 529 Overloaded');
  });

  it.each([
    [
      'what is open of the model without a verdict, not of one that passed before',
      [{status: 'pass', open: 'account: no credit left'}, {status: 'unjudged', open: 'provider: 529 Overloaded'}],
      'Could not be judged yet: provider: 529 Overloaded',
    ],
    ['why it is withheld', [{status: 'pass', withheld: 'all broke at once'}], 'Not published yet: all broke at once'],
    [
      'which model was never judged beside one that was',
      [{status: 'pass'}, {status: 'unjudged'}],
      'Not judged yet with Claude Opus 4.7.',
    ],
    ['no more than that there is no test', [{status: 'unjudged'}], 'No test for this combination yet.'],
  ] as const)('of what was not tested tells %s', (_, told, words) => {
    const verdicts = told.map((verdict, index) => ({...cell('vision|azure').verdicts[index]!, ...verdict}));
    expect(explanation({...cell('vision|azure'), verdicts})).toBe(words);
  });
});

describe('filters', () => {
  it('leave everything where nothing is asked', () => {
    const {matrix, counts} = narrowed(DETAILED, EVERYTHING);
    expect(matrix).toEqual(DETAILED);
    expect(counts).toEqual({pass: 1, fail: 1, not_applicable: 1, not_tested: 1});
    expect(matrix.rows[0]).toBe(DETAILED.rows[0]);
  });

  it('find a feature by its name or id in any case', () => {
    const found = (feature: string) => narrowed(ALONE, {...EVERYTHING, feature}).matrix.rows.map(({id}) => id);
    expect([found(' TOOL '), found('tool_'), found('none')]).toEqual([['tool_use'], ['tool_use'], []]);
  });

  it('count what the other filters leave', () => {
    const {matrix, counts} = narrowed(ALONE, {...EVERYTHING, providers: ['azure'], statuses: ['fail']});
    expect(matrix.providers.map(({id}) => id)).toEqual(['azure']);
    expect(counts).toEqual({pass: 0, fail: 0, not_applicable: 1, not_tested: 1});
  });

  it('turn each cell into the verdict of one model', () => {
    const {matrix} = narrowed(DETAILED, {...EVERYTHING, model: HAIKU});
    expect(matrix.rows.map(({cells}) => cells.map(({status}) => status))).toEqual([
      ['pass', 'not_applicable'],
      ['pass', 'not_tested'],
    ]);
    expect(cell('tool_use|azure', matrix).published).toBe('Azure has no tools');
  });

  it('keep the rows that have a cell of a status', () => {
    expect(rowsWith(ALONE.rows, ['pass', 'not_tested']).map(({id}) => id)).toEqual(['vision']);
  });
});

describe('a comparison', () => {
  it('has the two columns in the order in which they were asked for', () => {
    const {matrix} = narrowed(ALONE, {...EVERYTHING, providers: ['azure'], from: 'azure', to: 'anthropic'});
    expect(matrix.rows[1]?.cells.map(({status}) => status)).toEqual(['not_tested', 'pass']);
    expect(switches(matrix.rows)).toEqual({gained: 1, lost: 0, differs: 1, same: 0});
  });

  it.each([
    ['pass', 'fail', 'lost'],
    ['not_tested', 'pass', 'gained'],
    ['fail', 'not_tested', 'differs'],
    ['fail', 'fail', 'same'],
  ] as const)('from %s to %s is %s', (from, to, step) => {
    expect(switching(from, to)).toBe(step);
  });

  it('needs two different providers', () => {
    expect(narrowed(ALONE, {...EVERYTHING, from: 'azure', to: 'azure'}).matrix.providers).toHaveLength(2);
  });
});

describe('the command that runs a cell again', () => {
  it('names versions, upstreams and all models of the cell', () => {
    expect(reproduce(DETAILED, cell('tool_use|azure'))).toBe(
      'COMPAT_UPSTREAM=emulated compat gate --litellm v1.83.0-stable --claude-code 2.1.120 ' +
        "--cells 'tool_use|azure/*'",
    );
  });

  it('takes the checkout that one is in for a version that was built from one', () => {
    const built = {...DETAILED, litellm: 'v1.106.2+1a2b3c4d5e6f'};
    expect(reproduce(built, cell('vision|anthropic'))).toContain(' --litellm path:. ');
  });
});

describe('Markdown', () => {
  it('is the text of the pipeline, to the byte', () => {
    const json = matrixJson();
    json.features[0].providers.anthropic.error =
      'Claude Haiku 4.5: the tool input arrived empty; Claude Opus 4.7: the tool input arrived empty';
    expect(matrixMarkdown(opened(json))).toBe(MARKDOWN);
  });

  it('names the one model that it tells of', () => {
    const {matrix} = narrowed(DETAILED, {...EVERYTHING, model: HAIKU});
    expect(matrixMarkdown(matrix, HAIKU).split('\n')[0]).toBe(
      'LiteLLM v1.83.0-stable, Claude Code 2.1.120, 2026-01-31 12:00 UTC, with Claude Haiku 4.5 only',
    );
  });

  it('shows an error as one line without markup', () => {
    const json = matrixJson();
    json.features[0].providers.anthropic.error = 'a|b\n| <script>x</script> `c` [d](e) **f** # & \\';
    expect(matrixMarkdown(opened(json)).split('\n').find((line) => line.includes('script'))).toBe(
      '- ❌ fail: Tool use, anthropic: a\\|b \\| &lt;script&gt;x&lt;/script&gt; \\`c\\` \\[d\\]\\(e\\) \\*\\*f\\*\\* \\# &amp; \\\\',
    );
  });
});
