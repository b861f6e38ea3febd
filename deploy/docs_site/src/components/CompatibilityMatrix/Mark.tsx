// The icon of a status: shape beside colour, silent for a screen reader because the word stands next to it.

import type {AnyStatus} from './model';
import styles from './styles.module.css';

const MARKS: Readonly<Record<AnyStatus, string>> = {
  pass: '✓',
  fail: '✗',
  not_applicable: '—',
  not_tested: '?',
  unjudged: '?',
};

export function Mark({status}: {readonly status: AnyStatus}) {
  return (
    <span className={styles.mark} aria-hidden="true">
      {MARKS[status]}
    </span>
  );
}
