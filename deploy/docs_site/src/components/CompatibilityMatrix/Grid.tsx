// The table: sticky headers, one button per cell, a cross-hair, and the explanation of the cell one is at.

import {memo, useLayoutEffect, useRef} from 'react';
import type {FocusEvent, KeyboardEvent, MouseEvent, RefObject} from 'react';

import type {Status} from './documents';
import {Explanation, useExplained} from './Explanation';
import styles from './Grid.module.css';
import {Mark} from './Mark';
import {CAUSE_WORDS, STATUS_WORDS, cellOf, explanation, modelName, switching} from './model';
import type {Cell, Matrix, Row, Switch} from './model';
import base from './styles.module.css';

const CELL = 'button[data-cell]';
/** What may not fit into an explanation. */
const LONG_CHARS = 500;
const SWITCH_WORDS: Readonly<Record<Switch, string>> = {
  same: 'Same',
  gained: '+ Gained',
  lost: '− Lost',
  differs: 'Differs',
};

interface Props {
  readonly matrix: Matrix;
  readonly rows: readonly Row[];
  /** Cells of other statuses stand back; none is all. */
  readonly statuses: readonly Status[];
  /** Whether the two columns are to be compared. */
  readonly comparison: boolean;
  readonly onOpen: (key: string) => void;
}

export function Grid({matrix, rows, statuses, comparison, onOpen}: Props) {
  const table = useRef<HTMLTableElement>(null);
  const explained = useExplained(CELL);
  const at = explained.anchor && cellOf(matrix, explained.anchor.dataset.cell ?? '');
  useLayoutEffect(() => {
    if (table.current?.querySelector(`${CELL}[tabindex="0"]`)) return;
    makeTabStop(table.current, table.current?.querySelector<HTMLElement>(CELL));
  });
  const focus = (event: FocusEvent<HTMLElement>) => {
    explained.events.onFocus(event);
    if (event.target.matches(CELL)) makeTabStop(table.current, event.target);
  };
  const open = (event: MouseEvent) => {
    const key = event.target instanceof Element && event.target.closest<HTMLElement>(CELL)?.dataset.cell;
    if (!key) return;
    explained.hide();
    onOpen(key);
  };
  return (
    <>
      <div className={styles.scroll} role="region" aria-label="Compatibility matrix" tabIndex={0}>
        <div className={styles.sheet} {...explained.events} onFocus={focus} onClick={open} onKeyDown={moveFocus}>
          <table ref={table} className={styles.table}>
            <caption className={base.spoken}>
              Claude Code features by provider. The arrow keys move from cell to cell, Enter opens one.
            </caption>
            <thead>
              <tr>
                <th scope="col">Feature</th>
                {matrix.providers.map(({id, name}) => (
                  <th key={id} scope="col">
                    {name}
                  </th>
                ))}
                {comparison && <th scope="col">Switching</th>}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <MatrixRow key={row.id} row={row} statuses={statuses} comparison={comparison} />
              ))}
            </tbody>
          </table>
          {at && <Band table={table} column={matrix.providers.indexOf(at.provider) + 1} />}
        </div>
      </div>
      {at && (
        <Explanation of={explained}>
          <CellExplanation cell={at} />
        </Explanation>
      )}
    </>
  );
}

interface RowProps {
  readonly row: Row;
  readonly statuses: readonly Status[];
  readonly comparison: boolean;
}

const MatrixRow = memo(function MatrixRow({row, statuses, comparison}: RowProps) {
  const [from, to] = row.cells;
  const step = comparison && from && to ? switching(from.status, to.status) : null;
  return (
    <tr>
      <th scope="row">
        <span className={styles.name} dir="auto">
          {row.name}
        </span>
      </th>
      {row.cells.map((cell) => (
        <td key={cell.key}>
          <CellButton cell={cell} quiet={statuses.length > 0 && !statuses.includes(cell.status)} />
        </td>
      ))}
      {step && (
        <td className={styles.switch} data-switch={step}>
          {SWITCH_WORDS[step]}
        </td>
      )}
    </tr>
  );
});

function CellButton({cell, quiet}: {readonly cell: Cell; readonly quiet: boolean}) {
  const flaky = cell.verdicts.some((verdict) => verdict.flaky) ? ', flaky' : '';
  const word = STATUS_WORDS[cell.status];
  return (
    <button
      type="button" className={styles.cell} tabIndex={-1} data-cell={cell.key} data-status={cell.status}
      data-quiet={quiet || undefined} aria-haspopup="dialog"
      aria-label={`${word}${flaky}: ${cell.feature.name} on ${cell.provider.name}`}
    >
      <Mark status={cell.status} />
      <span>
        {word}
        {flaky && <small>{flaky}</small>}
      </span>
      {cell.verdicts.length > 0 && (
        <span className={styles.dots} aria-hidden="true">
          {cell.verdicts.map(({model, status}) => (
            <i key={model} data-status={status} />
          ))}
        </span>
      )}
    </button>
  );
}

function CellExplanation({cell}: {readonly cell: Cell}) {
  const told = explanation(cell);
  const causes = new Set(cell.verdicts.flatMap(({status, cause}) => (status === 'fail' && cause ? [cause] : [])));
  const flaky = cell.verdicts.filter((verdict) => verdict.flaky).map(({model}) => modelName(model));
  return (
    <>
      <span dir="auto">{told}</span>
      {told.length > LONG_CHARS && <small>Open the cell to read it all.</small>}
      {causes.size > 0 && <small>Cause: {[...causes].map((cause) => CAUSE_WORDS[cause] ?? cause).join(', ')}</small>}
      {flaky.length > 0 && <small>Both passed and failed: {flaky.join(', ')}</small>}
      {cell.verdicts.some((verdict) => verdict.known_issue) && <small>Known issue</small>}
    </>
  );
}

/** The vertical half of the cross-hair; CSS draws the horizontal one. */
function Band({table, column}: {readonly table: RefObject<HTMLTableElement | null>; readonly column: number}) {
  const band = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const header = table.current?.querySelectorAll<HTMLElement>('thead th')[column];
    if (!band.current || !header) return;
    band.current.style.left = `${header.offsetLeft}px`;
    band.current.style.width = `${header.offsetWidth}px`;
  }, [table, column]);
  return <div ref={band} className={styles.band} aria-hidden="true" />;
}

/** Of all cells the Tab key reaches one, the last that was focused: the arrow keys reach the others. */
function makeTabStop(table: HTMLElement | null, cell: HTMLElement | null | undefined): void {
  for (const other of table?.querySelectorAll<HTMLElement>(`${CELL}[tabindex="0"]`) ?? []) other.tabIndex = -1;
  if (cell) cell.tabIndex = 0;
}

/** Arrow keys go to the next cell, Home and End to the ends of the row, or with Control to those of the table. */
function moveFocus(event: KeyboardEvent<HTMLElement>): void {
  const here = event.target instanceof Element && event.target.closest<HTMLElement>(CELL);
  if (!here || event.altKey || event.metaKey) return;
  const rows = [...event.currentTarget.querySelectorAll('tbody tr')].map((row) => [...row.querySelectorAll<HTMLElement>(CELL)]);
  const row = rows.findIndex((cells) => cells.includes(here));
  const column = rows[row]?.indexOf(here) ?? 0;
  const steps: Readonly<Record<string, HTMLElement | undefined>> = {
    ArrowUp: rows[row - 1]?.[column],
    ArrowDown: rows[row + 1]?.[column],
    ArrowLeft: rows[row]?.[column - 1],
    ArrowRight: rows[row]?.[column + 1],
    Home: rows[event.ctrlKey ? 0 : row]?.[0],
    End: rows.at(event.ctrlKey ? -1 : row)?.at(-1),
  };
  if (!(event.key in steps)) return;
  event.preventDefault();
  steps[event.key]?.focus();
}
