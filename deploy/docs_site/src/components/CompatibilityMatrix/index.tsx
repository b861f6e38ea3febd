// The compatibility matrix for people: the locked JSON and, where it is there, the details document beside it.

import {memo, useCallback, useMemo} from 'react';

import {Banner} from './Banner';
import {CellPanel} from './CellPanel';
import {FilterBar, Legend, isActive} from './Controls';
import {CopyButton} from './CopyButton';
import {Grid} from './Grid';
import {useAddress, useNow} from './hooks';
import {Mark} from './Mark';
import {matrixMarkdown} from './markdown';
import {
  EVERYTHING, STATUS_WORDS, cellOf, explanation, isComparison, narrowed, openDocuments, providerName, rowsWith, switches,
} from './model';
import type {Filters, Matrix, Row} from './model';
import styles from './styles.module.css';

/** Where else the matrix can be had: an Atom feed of its changes, and a badge for each provider id. */
export interface Links {
  readonly feed?: string;
  readonly badges?: Readonly<Record<string, string>>;
}

export interface CompatibilityMatrixProps {
  /** The parsed `compatibility-matrix.json`, and `compatibility-details.json`: checked here, whatever they hold. */
  readonly matrix: unknown;
  readonly details?: unknown;
  readonly links?: Links | null;
}

export default function CompatibilityMatrix({matrix, details, links}: CompatibilityMatrixProps) {
  const found = useMemo(() => openDocuments(matrix, details), [matrix, details]);
  return (
    <div className={styles.root}>
      {'problem' in found ? (
        <Placeholder problem={found.problem} />
      ) : (
        <Shown matrix={found.matrix} note={found.note} links={links ?? {}} />
      )}
    </div>
  );
}

function Placeholder({problem}: {readonly problem: string}) {
  return (
    <div className={styles.placeholder} role="alert">
      <strong>The compatibility matrix cannot be shown.</strong>
      <p>This page reads documents of schema "1" only, and what it was given is not one: {problem}.</p>
    </div>
  );
}

interface ShownProps {
  readonly matrix: Matrix;
  readonly note: string;
  readonly links: Links;
}

function Shown({matrix, note, links}: ShownProps) {
  const now = useNow();
  const [{filters, cell: key}, go] = useAddress(matrix);
  const {matrix: shown, counts} = useMemo(() => narrowed(matrix, filters), [matrix, filters]);
  const rows = useMemo(() => rowsWith(shown.rows, filters.statuses), [shown, filters.statuses]);
  const change = (part: Partial<Filters>) => go({filters: {...filters, ...part}});
  const open = useCallback((cell: string) => go({cell}), [go]);
  const close = useCallback(() => go({cell: ''}), [go]);
  const opened = key && cellOf(matrix, key);
  return (
    <>
      <Banner matrix={matrix} now={now} />
      {note && <p className={styles.quiet}>The details of this matrix cannot be shown: {note}.</p>}
      <div className={styles.controls}>
        <Legend counts={counts} chosen={filters.statuses} onChange={(statuses) => change({statuses})} />
        <CopyButton text={() => matrixMarkdown({...shown, rows}, filters.model)}>Copy as Markdown</CopyButton>
        <FilterBar matrix={matrix} filters={filters} onChange={change} />
      </div>
      <p className={styles.summary} role="status">
        {isActive(filters) &&
          `${rows.length} of ${matrix.rows.length} features, ` +
            `${shown.providers.length} of ${matrix.providers.length} providers.`}
        {isComparison(filters) && ` ${inTotal(shown)}`}
      </p>
      {rows.length > 0 ? (
        <Grid
          matrix={shown} rows={rows} statuses={filters.statuses} comparison={isComparison(filters)} onOpen={open}
        />
      ) : (
        <p className={styles.notice}>
          No cell is like that.{' '}
          <button type="button" className={styles.button} onClick={() => change(EVERYTHING)}>
            Show everything
          </button>
        </p>
      )}
      <Explanations rows={rows} />
      <Elsewhere links={links} />
      {opened && <CellPanel matrix={matrix} cell={opened} now={now} onClose={close} />}
    </>
  );
}

/** "From Azure to Vertex AI: 1 gained, 2 lost, 15 the same." */
function inTotal({providers: [from, to], rows}: Matrix): string {
  const {gained, lost, differs, same} = switches(rows);
  const otherwise = differs ? `, ${differs} otherwise different` : '';
  return `From ${from?.name} to ${to?.name}: ${gained} gained, ${lost} lost${otherwise}, ${same} the same.`;
}

/** What failed and what does not apply, in words: for paper, and for a browser without JavaScript. */
const Explanations = memo(function Explanations({rows}: {readonly rows: readonly Row[]}) {
  const explained = rows.flatMap((row) => row.cells).filter((cell) => cell.published);
  return (
    <ul className={styles.explanations}>
      {explained.map((cell) => (
        <li key={cell.key}>
          <Mark status={cell.status} /> {STATUS_WORDS[cell.status]}: {cell.feature.name} on {cell.provider.name}.{' '}
          <span dir="auto">{explanation(cell)}</span>
        </li>
      ))}
    </ul>
  );
});

function Elsewhere({links: {feed, badges}}: {readonly links: Links}) {
  const badge = Object.entries(badges ?? {});
  if (!feed && badge.length === 0) return null;
  return (
    <ul className={styles.elsewhere}>
      {feed && (
        <li>
          <a href={feed} type="application/atom+xml">
            Feed of changes
          </a>
        </li>
      )}
      {badge.map(([provider, href]) => (
        <li key={provider}>
          <a href={href}>Badge for {providerName(provider)}</a>
        </li>
      ))}
    </ul>
  );
}
