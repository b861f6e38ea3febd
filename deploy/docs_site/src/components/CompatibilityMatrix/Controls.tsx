// What of the matrix is shown: the legend, whose counts filter by status, and the other filters.

import {useEffect, useId, useState} from 'react';
import type {ReactNode} from 'react';

import {STATUSES} from './documents';
import type {Status} from './documents';
import {Mark} from './Mark';
import {EVERYTHING, STATUS_WORDS} from './model';
import type {Filters, Matrix, Named} from './model';
import styles from './styles.module.css';

interface LegendProps {
  readonly counts: Readonly<Record<Status, number>>;
  readonly chosen: readonly Status[];
  readonly onChange: (statuses: readonly Status[]) => void;
}

/** One button per status, with its colour, icon, word and count. */
export function Legend({counts, chosen, onChange}: LegendProps) {
  return (
    <div className={styles.legend} role="group" aria-label="Show cells by status">
      {STATUSES.map((status) => (
        <button
          key={status} type="button" className={styles.status} data-status={status}
          aria-pressed={chosen.includes(status)} onClick={() => onChange(toggled(STATUSES, chosen, status))}
        >
          <Mark status={status} /> {STATUS_WORDS[status]} <span className={styles.count}>{counts[status]}</span>
        </button>
      ))}
    </div>
  );
}

interface FiltersProps {
  readonly matrix: Matrix;
  readonly filters: Filters;
  readonly onChange: (change: Partial<Filters>) => void;
}

export function FilterBar({matrix, filters, onChange}: FiltersProps) {
  const active = isActive(filters);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (active) setOpen(true);
  }, [active]);
  const providersId = useId();
  const ids = matrix.providers.map(({id}) => id);
  return (
    <details className={styles.filters} open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Filter and compare</summary>
      <div className={styles.fields}>
        <Field label="Feature">
          {(id) => (
            <input
              id={id} type="search" placeholder="Any" value={filters.feature}
              onChange={(event) => onChange({feature: event.currentTarget.value})}
            />
          )}
        </Field>
        {matrix.models.length > 0 && (
          <Choice
            label="Model" none="All" options={matrix.models} value={filters.model}
            onChange={(model) => onChange({model})}
          />
        )}
        <Choice
          label="Compare" none="None" options={matrix.providers} value={filters.from}
          onChange={(from) => onChange({from})}
        />
        <Choice
          label="with" none="None" options={matrix.providers} value={filters.to} onChange={(to) => onChange({to})}
        />
        <button type="button" className={styles.button} disabled={!active} onClick={() => onChange(EVERYTHING)}>
          Show everything
        </button>
      </div>
      <div className={styles.providers} role="group" aria-labelledby={providersId}>
        <span id={providersId}>Providers</span>
        {matrix.providers.map(({id, name}) => (
          <button
            key={id} type="button" className={styles.chip} aria-pressed={filters.providers.includes(id)}
            onClick={() => onChange({providers: toggled(ids, filters.providers, id), from: '', to: ''})}
          >
            {name}
          </button>
        ))}
      </div>
    </details>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly none: string;
  readonly options: readonly Named[];
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Choice({label, none, options, value, onChange}: ChoiceProps) {
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">{none}</option>
          {options.map((option) => (
            <option key={option.id} value={option.id}>
              {option.name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function Field({label, children}: {readonly label: string; readonly children: (id: string) => ReactNode}) {
  const id = useId();
  return (
    <div className={styles.field}>
      <label htmlFor={id}>{label}</label>
      {children(id)}
    </div>
  );
}

/** Whether anything is hidden by these filters. */
export function isActive(filters: Filters): boolean {
  return Object.values(filters).some((asked) => asked.length > 0);
}

/** The chosen ones with `one` put in or taken out, in the order of all. */
function toggled<Known extends string>(all: readonly Known[], chosen: readonly Known[], one: Known): readonly Known[] {
  return all.filter((known) => chosen.includes(known) !== (known === one));
}
