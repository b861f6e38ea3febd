// The two documents as they are written, and their readers: what is not exactly such a document is refused, in words.

export const STATUSES = ['pass', 'fail', 'not_applicable', 'not_tested'] as const;
export type Status = (typeof STATUSES)[number];

const VERDICTS = ['pass', 'fail', 'not_applicable', 'unjudged'] as const;
const UPSTREAMS = ['emulated', 'live'] as const;

/** A published cell: a feature on a provider. `explanation` is its error or reason, '' where the document has none. */
export interface PublishedCell {
  readonly status: Status;
  readonly explanation: string;
}

export interface MatrixDocument {
  readonly generated_at: string;
  readonly litellm_version: string;
  readonly claude_code_version: string;
  readonly providers: readonly string[];
  /** Cells are in the order of `providers`. */
  readonly features: readonly {readonly id: string; readonly name: string; readonly cells: readonly PublishedCell[]}[];
}

export interface KnownIssue {
  readonly owner: string;
  readonly issue: string;
  readonly expires: string;
  readonly reason: string;
}

/** The verdict of one feature, provider and model: what the page shows of its entry in the details document. */
export interface Verdict {
  readonly feature: string;
  readonly provider: string;
  readonly model: string;
  readonly status: (typeof VERDICTS)[number];
  readonly attempts: number;
  readonly flaky: boolean;
  readonly findings: readonly string[];
  readonly cause?: string | undefined;
  readonly error?: string | undefined;
  readonly reason?: string | undefined;
  readonly open?: string | undefined;
  readonly evidence?: string | undefined;
  readonly open_evidence?: string | undefined;
  readonly withheld?: string | undefined;
  readonly observed_at?: string | undefined;
  readonly last_proven_red?: string | undefined;
  readonly known_issue?: KnownIssue | undefined;
}

export interface DetailsDocument {
  readonly schema_version: 'details/2';
  readonly generated_at: string;
  readonly litellm_version: string;
  readonly claude_code_version: string;
  readonly upstream: (typeof UPSTREAMS)[number];
  readonly cells: readonly Verdict[];
}

/** What a reader found: the document, or what is wrong with it in one sentence. */
export type Read<Document> = {readonly document: Document} | {readonly problem: string};

/** Read the public document, schema "1". It is locked: an unknown field, status or schema is refused. */
export function readMatrix(json: unknown): Read<MatrixDocument> {
  return read(() => {
    const document = fields(json, 'the document');
    const version = document.schema_version;
    if (version !== '1') {
      throw new Malformed(
        version === undefined ? 'it has no schema_version' : `its schema_version is ${JSON.stringify(version)}, not "1"`,
      );
    }
    exactly(document, MATRIX_FIELDS, 'the document');
    const providers = list(document.providers, 'providers').map((id) => text(id, 'a provider'));
    const features = list(document.features, 'features').map((row) => feature(row, providers));
    unique(providers, 'provider');
    unique(features.map((row) => row.id), 'feature');
    return {
      generated_at: moment(document.generated_at, 'generated_at'),
      litellm_version: text(document.litellm_version, 'litellm_version'),
      claude_code_version: text(document.claude_code_version, 'claude_code_version'),
      providers,
      features,
    };
  });
}

/** Read the details document, "details/2"; fields that the page does not show are passed over. */
export function readDetails(json: unknown): Read<DetailsDocument> {
  return read(() => {
    const document = fields(json, 'the document');
    return {
      schema_version: oneOf(['details/2'] as const, document.schema_version, 'schema_version'),
      generated_at: moment(document.generated_at, 'generated_at'),
      litellm_version: text(document.litellm_version, 'litellm_version'),
      claude_code_version: text(document.claude_code_version, 'claude_code_version'),
      upstream: oneOf(UPSTREAMS, document.upstream, 'upstream'),
      cells: list(document.cells, 'cells').map(verdict),
    };
  });
}

const MATRIX_FIELDS = [
  'schema_version', 'generated_at', 'litellm_version', 'claude_code_version', 'providers', 'features',
];
const EXPLAINED_BY: Readonly<Partial<Record<Status, string>>> = {fail: 'error', not_applicable: 'reason'};
const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/;

/** As much of a digest as `compat evidence` needs to find it. */
const DIGEST_CHARS = 12;

class Malformed extends Error {}

function read<Document>(reader: () => Document): Read<Document> {
  try {
    return {document: reader()};
  } catch (error) {
    if (error instanceof Malformed) return {problem: error.message};
    throw error;
  }
}

function feature(json: unknown, providers: readonly string[]): MatrixDocument['features'][number] {
  const row = fields(json, 'a feature');
  const id = text(row.id, 'the id of a feature');
  exactly(row, ['id', 'name', 'providers'], id);
  const cells = new Map(Object.entries(fields(row.providers, `the cells of ${id}`)));
  if (cells.size !== providers.length) throw new Malformed(`${id} does not list the matrix's providers`);
  return {
    id,
    name: text(row.name, `the name of ${id}`),
    cells: providers.map((provider) => published(cells.get(provider), `${id} on ${provider}`)),
  };
}

function published(json: unknown, where: string): PublishedCell {
  const cell = fields(json, where);
  const status = oneOf(STATUSES, cell.status, `the status of ${where}`);
  const explainedBy = EXPLAINED_BY[status];
  exactly(cell, explainedBy ? ['status', explainedBy] : ['status'], where);
  return {status, explanation: explainedBy ? text(cell[explainedBy], `the ${explainedBy} of ${where}`) : ''};
}

function verdict(json: unknown): Verdict {
  const entry = fields(json, 'a cell');
  const where = ['feature', 'provider', 'model'].map((name) => text(entry[name], `the ${name} of a cell`));
  const [feature = '', provider = '', model = ''] = where;
  const here = `${feature}|${provider}/${model}`;
  const optional = (name: string) => (entry[name] === undefined ? undefined : text(entry[name], `${name} of ${here}`));
  const time = (name: string) => (entry[name] === undefined ? undefined : moment(entry[name], `${name} of ${here}`));
  if (typeof entry.attempts !== 'number' || typeof entry.flaky !== 'boolean') {
    throw new Malformed(`${here} does not tell its attempts`);
  }
  return {
    feature,
    provider,
    model,
    status: oneOf(VERDICTS, entry.status, `the status of ${here}`),
    attempts: entry.attempts,
    flaky: entry.flaky,
    findings: list(entry.findings, `findings of ${here}`).map((finding) => text(finding, `a finding of ${here}`)),
    cause: optional('cause'),
    error: optional('error'),
    reason: optional('reason'),
    open: optional('open'),
    evidence: optional('evidence')?.slice(0, DIGEST_CHARS),
    open_evidence: optional('open_evidence')?.slice(0, DIGEST_CHARS),
    withheld: optional('withheld'),
    observed_at: time('observed_at'),
    last_proven_red: time('last_proven_red'),
    known_issue: entry.known_issue === undefined ? undefined : knownIssue(entry.known_issue, here),
  };
}

function knownIssue(json: unknown, where: string): KnownIssue {
  const known = fields(json, `known_issue of ${where}`);
  const told = (name: string) => text(known[name], `${name} of the known issue of ${where}`);
  return {owner: told('owner'), issue: told('issue'), expires: told('expires'), reason: told('reason')};
}

function fields(json: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Malformed(`${what} is no object`);
  return json as Record<string, unknown>;
}

function exactly(json: Readonly<Record<string, unknown>>, names: readonly string[], what: string): void {
  const unknown = Object.keys(json).find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Malformed(`${what} has a field that schema "1" does not know: ${unknown}`);
}

function list(json: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(json)) throw new Malformed(`${what} is no list`);
  return json;
}

function text(json: unknown, what: string): string {
  if (typeof json !== 'string' || json === '') throw new Malformed(`${what} is no text`);
  return json;
}

function moment(json: unknown, what: string): string {
  const told = text(json, what);
  if (!UTC.test(told) || Number.isNaN(Date.parse(told))) throw new Malformed(`${what} is no UTC time: ${told}`);
  return told;
}

function oneOf<Known extends string>(known: readonly Known[], json: unknown, what: string): Known {
  const found = known.find((value) => value === json);
  if (found === undefined) throw new Malformed(`${what} is unknown: ${JSON.stringify(json)}`);
  return found;
}

function unique(ids: readonly string[], what: string): void {
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw new Malformed(`${what} ${twice} is listed twice`);
}
