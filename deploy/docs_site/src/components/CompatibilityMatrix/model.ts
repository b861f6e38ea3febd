// The matrix as it is shown: both documents joined, what the filters leave of it, and what is said of a cell. Pure.

import {STATUSES, readDetails, readMatrix} from './documents';
import type {DetailsDocument, MatrixDocument, Status, Verdict} from './documents';

export interface Named {
  readonly id: string;
  readonly name: string;
}

/** A feature on a provider. `published` is its error or reason; `verdicts` are its models', none without details. */
export interface Cell {
  readonly key: string;
  readonly feature: Named;
  readonly provider: Named;
  readonly status: Status;
  readonly published: string;
  readonly verdicts: readonly Verdict[];
}

export interface Row extends Named {
  readonly cells: readonly Cell[];
}

/** Cells are in the order of `providers`; `models` is empty and `upstream` null without details. */
export interface Matrix {
  readonly generatedAt: string;
  readonly litellm: string;
  readonly claudeCode: string;
  readonly upstream: DetailsDocument['upstream'] | null;
  readonly providers: readonly Named[];
  readonly models: readonly Named[];
  readonly rows: readonly Row[];
}

/** What the reader asked to see; '' and [] are no restriction. `from` and `to` are two providers to compare. */
export interface Filters {
  readonly feature: string;
  readonly providers: readonly string[];
  readonly model: string;
  readonly statuses: readonly Status[];
  readonly from: string;
  readonly to: string;
}

export const EVERYTHING: Filters = {feature: '', providers: [], model: '', statuses: [], from: '', to: ''};

/** That of a published cell, or of one model's verdict. */
export type AnyStatus = Status | Verdict['status'];

export const STATUS_WORDS: Readonly<Record<AnyStatus, string>> = {
  pass: 'Pass',
  fail: 'Fail',
  not_applicable: 'Not applicable',
  not_tested: 'Not tested',
  unjudged: 'Not judged',
};

/** Whom a cause points at. */
export const CAUSE_WORDS: Readonly<Record<string, string>> = {
  gateway: 'LiteLLM',
  client: 'Claude Code',
  provider: 'the provider',
  account: 'the account',
  environment: 'the machine it ran on',
  harness: 'the test itself',
  model_behaviour: 'what the model chose to do',
};

const PROVIDER_NAMES: Readonly<Record<string, string>> = {
  anthropic: 'Anthropic',
  bedrock_invoke: 'Bedrock (Invoke)',
  bedrock_converse: 'Bedrock (Converse)',
  vertex_ai: 'Vertex AI',
  azure: 'Azure',
};

/** The matrix of both documents, with a `note` where the details cannot be used; or the `problem` that leaves none. */
export function openDocuments(
  matrixJson: unknown,
  detailsJson: unknown,
): {readonly matrix: Matrix; readonly note: string} | {readonly problem: string} {
  const matrix = readMatrix(matrixJson);
  if ('problem' in matrix) return matrix;
  if (detailsJson === undefined || detailsJson === null) return {matrix: joined(matrix.document, null), note: ''};
  const details = readDetails(detailsJson);
  if ('problem' in details) return {matrix: joined(matrix.document, null), note: details.problem};
  const same = (['generated_at', 'litellm_version', 'claude_code_version'] as const).every(
    (field) => details.document[field] === matrix.document[field],
  );
  return same
    ? {matrix: joined(matrix.document, details.document), note: ''}
    : {matrix: joined(matrix.document, null), note: 'they tell of another run'};
}

function joined(matrix: MatrixDocument, details: DetailsDocument | null): Matrix {
  const verdicts = new Map<string, Verdict[]>();
  for (const verdict of details?.cells ?? []) {
    const key = cellKey(verdict.feature, verdict.provider);
    verdicts.set(key, [...(verdicts.get(key) ?? []), verdict]);
  }
  const providers = matrix.providers.map((id) => ({id, name: providerName(id)}));
  return {
    generatedAt: matrix.generated_at,
    litellm: matrix.litellm_version,
    claudeCode: matrix.claude_code_version,
    upstream: details?.upstream ?? null,
    providers,
    models: [...new Set(details?.cells.map((verdict) => verdict.model))].map((id) => ({id, name: modelName(id)})),
    rows: matrix.features.map(({id, name, cells}) => ({
      id,
      name,
      cells: providers.map((provider, column) => {
        const key = cellKey(id, provider.id);
        const {status = 'not_tested', explanation = ''} = cells[column] ?? {};
        return {key, feature: {id, name}, provider, status, published: explanation, verdicts: verdicts.get(key) ?? []};
      }),
    })),
  };
}

export function cellOf(matrix: Matrix, key: string): Cell | undefined {
  return matrix.rows.flatMap((row) => row.cells).find((cell) => cell.key === key);
}

/** `feature|provider`: what a cell is called in links. */
export function cellKey(feature: string, provider: string): string {
  return `${feature}|${provider}`;
}

export function providerName(id: string): string {
  return PROVIDER_NAMES[id] ?? id;
}

/** "claude-opus-4-7" is Claude Opus 4.7; an id of another form is its own name. */
export function modelName(id: string): string {
  const [, family = '', version = ''] = /^claude-([a-z]+)-(\d+(?:-\d+)*)$/.exec(id) ?? [];
  return family ? `Claude ${family[0]?.toUpperCase()}${family.slice(1)} ${version.replaceAll('-', '.')}` : id;
}

/** The matrix as far as it is asked for, but for the statuses, and how many cells of it have each status. */
export function narrowed(matrix: Matrix, filters: Filters): {matrix: Matrix; counts: Readonly<Record<Status, number>>} {
  const columns = shownColumns(matrix, filters);
  const all = matrix.providers.every((_, column) => columns[column] === column);
  const sought = filters.feature.trim().toLowerCase();
  const rows = matrix.rows
    .filter((row) => `${row.name}\n${row.id}`.toLowerCase().includes(sought))
    .map((row) => (all ? row : {...row, cells: columns.flatMap((column) => row.cells[column] ?? [])}))
    .map((row) => (filters.model ? {...row, cells: row.cells.map((cell) => withModel(cell, filters.model))} : row));
  const counts = {pass: 0, fail: 0, not_applicable: 0, not_tested: 0};
  for (const cell of rows.flatMap((row) => row.cells)) counts[cell.status] += 1;
  return {
    matrix: {...matrix, providers: columns.flatMap((column) => matrix.providers[column] ?? []), rows},
    counts,
  };
}

/** The rows that have a cell of these statuses. */
export function rowsWith(rows: readonly Row[], statuses: readonly Status[]): readonly Row[] {
  return statuses.length === 0 ? rows : rows.filter((row) => row.cells.some((cell) => statuses.includes(cell.status)));
}

export function isComparison(filters: Filters): boolean {
  return filters.from !== '' && filters.to !== '' && filters.from !== filters.to;
}

/** What a feature becomes for somebody who goes from one provider to the other. */
export type Switch = 'same' | 'gained' | 'lost' | 'differs';

export function switching(from: Status, to: Status): Switch {
  if (from === to) return 'same';
  return to === 'pass' ? 'gained' : from === 'pass' ? 'lost' : 'differs';
}

/** How many of the rows, which have two cells each, become what. */
export function switches(rows: readonly Row[]): Readonly<Record<Switch, number>> {
  const counts = {gained: 0, lost: 0, differs: 0, same: 0};
  for (const {cells: [from, to]} of rows) if (from && to) counts[switching(from.status, to.status)] += 1;
  return counts;
}

/** The cell in a sentence or, where something failed, in the words of its error: with details, each of them once. */
export function explanation(cell: Cell): string {
  switch (cell.status) {
    case 'pass': {
      const models = cell.verdicts.filter((verdict) => verdict.status === 'pass').map(({model}) => modelName(model));
      return models.length > 0 ? `Tested & passing with ${listed(models)}.` : 'Tested & passing.';
    }
    case 'fail':
      return byError(cell.verdicts).join('\n') || cell.published;
    case 'not_tested':
      return untested(cell.verdicts);
    default:
      return cell.published;
  }
}

/** The command that runs the cell's models again, as the pipeline's domain/reproduce.py words it. */
export function reproduce(matrix: Matrix, cell: Cell): string {
  // What was built from a checkout has the commit behind a plus sign, and is on no package index.
  const litellm = matrix.litellm.includes('+') ? 'path:.' : matrix.litellm;
  const options = [
    ['--litellm', litellm],
    ['--claude-code', matrix.claudeCode],
    ['--cells', `${cell.key}/*`],
  ] as const;
  const told = options.map(([option, value]) => `${option} ${quoted(value)}`).join(' ');
  return `COMPAT_UPSTREAM=${matrix.upstream} compat gate ${told}`;
}

function shownColumns(matrix: Matrix, filters: Filters): readonly number[] {
  const columns = matrix.providers.map((_, column) => column);
  const of = (id: string) => columns.filter((column) => matrix.providers[column]?.id === id);
  if (isComparison(filters)) return [...of(filters.from), ...of(filters.to)];
  if (filters.providers.length === 0) return columns;
  return columns.filter((column) => filters.providers.includes(matrix.providers[column]?.id ?? ''));
}

function withModel(cell: Cell, model: string): Cell {
  const verdicts = cell.verdicts.filter((verdict) => verdict.model === model);
  const [verdict] = verdicts;
  const status = STATUSES.find((known) => known === verdict?.status) ?? 'not_tested';
  const published = (status === 'fail' ? verdict?.error : status === 'not_applicable' ? verdict?.reason : '') ?? '';
  return {...cell, status, published, verdicts};
}

/** Why nothing is published: what the models without a verdict know, that it is withheld, or that there is no test. */
function untested(verdicts: readonly Verdict[]): string {
  const unjudged = verdicts.filter((verdict) => verdict.status === 'unjudged');
  const why = unjudged.map((verdict) => verdict.open ?? verdict.error).find(Boolean);
  if (why) return `Could not be judged yet: ${why}`;
  const withheld = verdicts.find((verdict) => verdict.withheld)?.withheld;
  if (withheld) return `Not published yet: ${withheld}`;
  const some = unjudged.length > 0 && unjudged.length < verdicts.length;
  return some
    ? `Not judged yet with ${listed(unjudged.map(({model}) => modelName(model)))}.`
    : 'No test for this combination yet.';
}

/** "Claude Haiku 4.5 and Claude Opus 4.7: what went wrong", for each thing that did. */
function byError(verdicts: readonly Verdict[]): readonly string[] {
  const failed = verdicts.filter((verdict) => verdict.status === 'fail' && verdict.error);
  return [...new Set(failed.map((verdict) => verdict.error))].map((error) => {
    const models = failed.filter((verdict) => verdict.error === error).map(({model}) => modelName(model));
    return `${listed(models)}: ${error}`;
  });
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}
