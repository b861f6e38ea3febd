// All that is known of one cell, in a dialog of its own address: each model's verdict, and how to see it again.

import {useId, useLayoutEffect, useRef} from 'react';
import type {MouseEvent, ReactNode} from 'react';

import {cellLink} from './address';
import styles from './CellPanel.module.css';
import {CopyButton} from './CopyButton';
import type {Verdict} from './documents';
import {Mark} from './Mark';
import {CAUSE_WORDS, STATUS_WORDS, explanation, modelName, reproduce} from './model';
import type {Cell, Matrix} from './model';
import base from './styles.module.css';
import {absolute, since} from './times';

interface Props {
  readonly matrix: Matrix;
  readonly cell: Cell;
  readonly now: number | null;
  readonly onClose: () => void;
}

export function CellPanel({matrix, cell, now, onClose}: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useLayoutEffect(() => {
    const shown = dialog.current;
    // Where it closes, the browser gives the focus back to what had it: so that is the cell, also after a link to it.
    const buttons = document.querySelectorAll<HTMLElement>('button[data-cell]');
    [...buttons].find((button) => button.dataset.cell === cell.key)?.focus();
    shown?.showModal();
    return () => shown?.close();
  }, [cell.key]);
  const close = () => dialog.current?.close();
  const outside = (event: MouseEvent) => event.target === event.currentTarget && close();
  const withheld = cell.verdicts.find((verdict) => verdict.withheld)?.withheld;
  const told = explanation(cell);
  return (
    <dialog ref={dialog} className={styles.panel} aria-labelledby={title} onClick={outside} onClose={onClose}>
      <div>
        <header>
          <h2 id={title}>
            {cell.feature.name} <span>on {cell.provider.name}</span>
          </h2>
          <button type="button" className={styles.close} aria-label="Close" onClick={close}>
            ×
          </button>
        </header>
        <p className={styles.verdict} data-status={cell.status}>
          <Mark status={cell.status} /> {STATUS_WORDS[cell.status]}
        </p>
        {!(cell.status === 'fail' && cell.verdicts.length > 0) && (
          <p className={styles.told} dir="auto">
            {told}
          </p>
        )}
        {withheld && <p className={base.notice}>Not published as it is here: {withheld}</p>}
        {cell.verdicts.length > 0 && (
          <ul className={styles.models}>
            {cell.verdicts.map((verdict) => (
              <ModelVerdict key={verdict.model} verdict={verdict} now={now} />
            ))}
          </ul>
        )}
        {cell.verdicts.length > 0 && <Command what="Run it again" command={reproduce(matrix, cell)} />}
        <footer>
          <a href={cellLink(cell.key)}>Link to this cell</a>
          <CopyButton text={() => new URL(cellLink(cell.key), window.location.href).href}>Copy link</CopyButton>
          <span>
            LiteLLM {matrix.litellm}, Claude Code {matrix.claudeCode}, {absolute(matrix.generatedAt)}
          </span>
        </footer>
      </div>
    </dialog>
  );
}

function ModelVerdict({verdict, now}: {readonly verdict: Verdict; readonly now: number | null}) {
  const why = verdict.error ?? verdict.reason;
  const facts: readonly (readonly [string, ReactNode])[] = [
    ['Cause', verdict.cause && (CAUSE_WORDS[verdict.cause] ?? verdict.cause)],
    ['Judged', verdict.observed_at && <Moment iso={verdict.observed_at} now={now} />],
    ['Attempts', verdict.attempts > 1 && verdict.attempts],
    ['Flaky', verdict.flaky && 'It both passed and failed with these versions.'],
    ['Known issue', verdict.known_issue && <Known {...verdict.known_issue} />],
    ['Still open', verdict.open && <span dir="auto">{verdict.open}</span>],
    ['Findings', verdict.findings.length > 0 && <Findings findings={verdict.findings} />],
    ['Last negative control', verdict.last_proven_red && <Moment iso={verdict.last_proven_red} now={now} />],
  ];
  return (
    <li>
      <h3 data-status={verdict.status}>
        <Mark status={verdict.status} /> {modelName(verdict.model)} <span>{STATUS_WORDS[verdict.status]}</span>
      </h3>
      {why && (
        <p className={styles.told} dir="auto">
          {why}
        </p>
      )}
      <dl>
        {facts.map(([name, fact]) =>
          fact ? (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{fact}</dd>
            </div>
          ) : null,
        )}
      </dl>
      {verdict.evidence && <Command what="Evidence" command={`compat evidence ${verdict.evidence}`} />}
      {verdict.open_evidence && (
        <Command what="Evidence of what is open" command={`compat evidence ${verdict.open_evidence}`} />
      )}
    </li>
  );
}

function Known({issue, owner, reason, expires}: NonNullable<Verdict['known_issue']>) {
  return (
    <>
      {/^https?:\/\//.test(issue) ? <a href={issue}>{reason}</a> : `${reason} (${issue})`} {owner}, until {expires}
    </>
  );
}

function Findings({findings}: {readonly findings: readonly string[]}) {
  return (
    <ul>
      {[...new Set(findings)].map((finding) => (
        <li key={finding} dir="auto">
          {finding}
        </li>
      ))}
    </ul>
  );
}

function Moment({iso, now}: {readonly iso: string; readonly now: number | null}) {
  const relative = since(iso, now);
  return (
    <time dateTime={iso}>
      {relative === absolute(iso) ? relative : `${relative} (${absolute(iso)})`}
    </time>
  );
}

function Command({what, command}: {readonly what: string; readonly command: string}) {
  return (
    <div className={styles.command}>
      <span>{what}</span>
      <code>{command}</code>
      <CopyButton text={() => command} label={`Copy: ${what}`}>
        Copy
      </CopyButton>
    </div>
  );
}
